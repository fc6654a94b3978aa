"""Memory that C reads and writes in place."""

# NumPy asks for huge pages from this size in bytes on.
LARGE = 1 << 22


def aligned_zeros(shapes, dtype):
    """Return arrays of zeros of these shapes (rows, columns), of one dtype or of a list of dtypes.
    Each begins on a cache line, and is followed by room that C may read and write back
    (csrc/machine/flat.h).

    If they are large they lie in one piece of memory, for which huge pages are used: with pages of
    4 KiB a step, which visits all arrays, must look up a page for every 64 lines. (The default at
    768 units is 1.2 to 1.4 times as fast.)"""
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
    """Return zeros that begin on a cache line."""
    memory = np.zeros(size + NBT_ALIGN, dtype=np.uint8)
    return memory[-memory.ctypes.data % NBT_ALIGN:]
