"""Memory that C reads and writes in place."""

# From so many bytes on, NumPy asks for huge pages.
LARGE = 1 << 22


def aligned_zeros(shapes, dtype):
    """Arrays of zeros of these (rows, columns), of a dtype or a list with one for each, each on a
    cache line's boundary, with a lane block after it that C may read and write back (panels.h).

    In one piece of memory if that is large: a step visits all of them, and with pages of 4 KiB
    looks up one for every 64 lines (the default at 768 units: 1.2 to 1.4 times as fast)."""
    dtypes = dtype if isinstance(dtype, list) else [np.dtype(dtype)] * len(shapes)
    sizes = [rows * columns * one.itemsize for (rows, columns), one in zip(shapes, dtypes)]
    rooms = [(size // NBT_ALIGN + 2) * NBT_ALIGN for size in sizes]
    whole = aligned_bytes(sum(rooms)) if sum(rooms) >= LARGE else None
    places = np.cumsum([0] + rooms)
    memory = [aligned_bytes(room) if whole is None else whole[place:]
              for place, room in zip(places, rooms)]
    return [one[:size].view(kind).reshape(shape)
            for one, size, kind, shape in zip(memory, sizes, dtypes, shapes)]


def aligned_bytes(size):
    """Zeros, from a cache line's boundary on."""
    memory = np.zeros(size + NBT_ALIGN, dtype=np.uint8)
    return memory[-memory.ctypes.data % NBT_ALIGN:]
