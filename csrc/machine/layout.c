#include "machine/layout.h"

size_t nbt_padded(size_t count, size_t unit) { return (count + unit - 1) / unit * unit; }

nbt_panels nbt_panels_of(size_t n, size_t rows, size_t columns, size_t lanes)
{
    const size_t left = columns % lanes;
    const size_t per_vec = n % 2                             ? 0
                           : n % 4 == 0 && left <= lanes / 4 ? 4
                           : left <= lanes / 2               ? 2
                                                             : 0;
    nbt_panels at = {.rows = rows, .ld = nbt_padded(columns, lanes), .depth = nbt_padded(rows, 4)};
    at.per_vec = left ? per_vec : 0;
    at.full = at.per_vec ? columns - left : at.ld;
    at.count = at.full / lanes + (at.per_vec != 0);
    at.size = at.ld + at.depth * (at.full + (at.per_vec ? lanes / at.per_vec : 0));
    return at;
}
