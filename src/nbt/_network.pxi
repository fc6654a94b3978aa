"""Systems of the package: networks (csrc/systems/network.h), Euler's step (…/euler.h)."""

LEAKS = {None: NBT_NO_LEAK, "alpha": NBT_FIXED_LEAK, "beta": NBT_LEARNED_LEAK,
         "tau": NBT_TIME_CONSTANT}


cdef class NetworkCoreSystem(CoreSystem):
    """Layers (`trainers/network.py`), already checked, with the scratch their functions write."""

    cdef nbt_network network
    cdef list kept  # all arrays that C borrows

    def __cinit__(self, layers, *, size_t inputs, str dtype, isa=None):
        cdef size_t count = len(layers), k
        cdef nbt_layer* at
        table, known = np.zeros(count * sizeof(nbt_layer), np.uint8), np.zeros(count, np.int32)
        scratch = aligned_zeros([(10, sum(layer.units for layer in layers))], dtype)[0]
        self.kept = [table, known, scratch]
        self.network.layers = count
        self.network.layer = <nbt_layer*><uintptr_t>table.ctypes.data
        self.network.known = <int*><uintptr_t>known.ctypes.data
        for k, row in enumerate(scratch[:9]):  # the last has two
            self._lend(k, <void*><uintptr_t>row.ctypes.data)
        for k, layer in enumerate(layers):
            at = self.network.layer + k
            at.first, at.start, at.units = layer.first, layer.start, layer.units
            at.inputs, at.below, at.dt = layer.inputs, layer.below, layer.dt
            at.activation, at.leak = ACTIVATIONS[layer.activation], LEAKS[layer.leak]
            if layer.graph is not None:
                indptr, indices = layer.graph.indptr, layer.graph.indices
                self.kept += [indptr, indices]
                at.indptr = <const int64_t*><uintptr_t>indptr.ctypes.data
                at.indices = <const int32_t*><uintptr_t>indices.ctypes.data
        self.c = nbt_network_system(&self.network, inputs, DTYPES[dtype], _isa_row(isa))

    cdef void _lend(self, size_t row, void* memory) noexcept:
        """Set the pointer to one row of scratch."""
        cdef nbt_network* to = &self.network
        cdef void** fields[9]
        fields[0], fields[1], fields[2], fields[3] = &to.h, &to.a, &to.slope, &to.leak
        fields[4], fields[5], fields[6], fields[7] = &to.keep, &to.gain, &to.keep_slope, &to.pushed
        fields[8] = &to.both
        fields[row][0] = memory


cdef class EulerCoreSystem(CoreSystem):
    """The system of one step of Euler's method in a vector field."""

    cdef nbt_euler euler
    cdef CoreSystem field

    def __cinit__(self, CoreSystem field, *, double dt, str dtype, isa=None):
        self.field, self.euler.field, self.euler.dt = field, field.c, dt
        self.python, self.fallible = field.python, field.fallible
        self.c = nbt_euler_system(&self.euler, DTYPES[dtype], _isa_row(isa))

    cdef int _show(self, theta) except -1:
        return self.field._show(theta)

    cdef int _raise(self) except -1:
        return self.field._raise()
