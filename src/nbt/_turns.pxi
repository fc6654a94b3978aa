"""Turns with an object that several threads share: one call at a time, in order of arrival."""

cimport cython
from cpython.pythread cimport PyThread_get_thread_ident

import _thread
import os
from weakref import WeakSet

cdef extern from *:
    """
    #define NBT_NOBODY 0UL /* no thread has this number, */
    #define NBT_TORN (~0UL) /* nor this one */
    """
    const unsigned long NBT_NOBODY, NBT_TORN

cdef int64_t AHEAD = 1LL << 62  # more calls than any process makes
PATIENCE = 0.1  # seconds between two checks for signals, where waiting for a lock ignores them
AGAIN = ("this trainer is in use by another call of this thread: neither the functions of its "
         "system nor a signal's handler can use it meanwhile")
TORN = ("this trainer was in use by another thread when the process forked, so here its state is "
        "half of a step: load_state_dict() or nbt.load() gives a whole one. Fork before other "
        "threads learn, or start processes by 'spawn'")


@cython.final
cdef class _Waiter:
    """A call that waits. Its lock is released when it is its turn."""

    cdef unsigned long thread
    cdef bint looks, called
    cdef int64_t place  # in the line; the smallest is next
    cdef object lock
    cdef _Waiter after  # next element of the list, which is not ordered

    def __cinit__(self, unsigned long thread, bint looks):
        self.thread, self.looks = thread, looks
        self.lock = _thread.allocate_lock()
        self.lock.acquire()


@cython.final
cdef class Turns:
    """A queue: one call at a time uses the guarded object, the others wait without the GIL.

    They go in the order in which they came. From time to time a long call lets waiting calls that
    only read go first (`pause`). A call by a thread whose turn it is, or that is waiting already,
    is refused, because it would wait for ever. If a fork happened in the middle of another thread's
    call, the object is torn. Then all calls are refused but one that makes it whole (`renew`).

    All of this is changed only with the GIL held, so it needs no lock. Signals are not checked
    between `take` and `give`, so none can interrupt. Making an object may collect garbage, and a
    finalizer may let other threads run. So the line is a list of `_Waiter`s that were made before,
    and no object is made between reading the line and changing it.
    """

    cdef unsigned long holder  # the thread whose turn it is
    cdef _Waiter line  # the calls that wait
    cdef int64_t last  # place of the call that came last
    cdef readonly size_t waiting  # how many calls wait,
    cdef size_t looks  # and how many of them only read
    cdef object __weakref__

    def __cinit__(self):
        EVERY.add(self)

    def __reduce__(self):
        return Turns, ()  # a copy of the guarded object has its own

    def alone(self, function, *arguments, **more):
        """Return the result of a function, during which no other call may run."""
        self.take(False)
        try:
            return function(*arguments, **more)
        finally:
            self.give()

    def look(self, function, *arguments, **more):
        """Return the result of a function that changes nothing, so it may run between two pieces of
        a call."""
        self.take(True)
        try:
            return function(*arguments, **more)
        finally:
            self.give()

    def renew(self, function, *arguments, **more):
        """Do what `alone` does, even if the object is torn: the function makes it whole, or
        raises."""
        cdef bint whole = self.holder != NBT_TORN
        if whole:
            self.take(False)
        else:
            self.holder = PyThread_get_thread_ident()
        try:
            result = function(*arguments, **more)
            whole = True
            return result
        finally:
            if whole:
                self.give()
            else:
                self.holder = NBT_TORN

    def rest(self):
        """Let waiting calls that only read go first, between two pieces of a call."""
        if self.looks:
            self.pause()

    cdef inline int take(self, bint looks) except -1:
        if self.holder == NBT_NOBODY:
            self.holder = PyThread_get_thread_ident()
            return 0
        return self._stand_in_line(looks)

    cdef inline int give(self) except -1:
        """Pass the turn to the next. Do nothing if the turn was lost in an interrupted `pause`."""
        if self.holder != PyThread_get_thread_ident():
            return 0
        if self.waiting:
            return self._call_next()
        self.holder = NBT_NOBODY
        return 0

    cdef int pause(self) except -1:
        """Give the turn to all waiting calls that only read, and take it back after them."""
        own = _Waiter(PyThread_get_thread_ident(), False)
        one = self.line
        while one is not None:
            if one.looks and one.place > 0:
                one.place -= AHEAD
            one = one.after
        self._join(own, -AHEAD // 2)  # after them, before all others
        self._call_next()
        return self._wait(own)

    cdef int _stand_in_line(self, bint looks) except -1:
        own = _Waiter(PyThread_get_thread_ident(), looks)
        if self.holder == NBT_NOBODY:  # it became free meanwhile
            self.holder = own.thread
            return 0
        if self.holder == NBT_TORN:
            raise RuntimeError(TORN)
        if self.holder == own.thread or self._waits(own.thread):
            raise RuntimeError(AGAIN)
        self.last += 1
        self._join(own, self.last)
        return self._wait(own)

    cdef bint _waits(self, unsigned long thread):
        one = self.line
        while one is not None:
            if one.thread == thread:
                return True
            one = one.after
        return False

    cdef int _join(self, _Waiter one, int64_t place) except -1:
        one.place, one.after, self.line = place, self.line, one
        self.waiting += 1
        self.looks += one.looks
        return 0

    cdef int _leave(self, _Waiter gone) except -1:
        one = self.line
        if one is gone:
            self.line = gone.after
        else:
            while one.after is not gone:
                one = one.after
            one.after = gone.after
        gone.after = None
        self.waiting -= 1
        self.looks -= gone.looks
        return 0

    cdef int _wait(self, _Waiter own) except -1:
        """Wait for the turn. If a signal raises meanwhile, the other calls are not affected."""
        try:
            while not own.called:
                own.lock.acquire(True, PATIENCE)
                if self.holder == NBT_TORN:
                    raise RuntimeError(TORN)
        except BaseException:
            if own.called:
                self.give()
            elif self._waits(own.thread):  # not so in the child of a fork
                self._leave(own)
            raise
        return 0

    cdef int _call_next(self) except -1:
        first, one = self.line, self.line.after
        while one is not None:
            if one.place < first.place:
                first = one
            one = one.after
        self._leave(first)
        self.holder, first.called = first.thread, True
        first.lock.release()
        return 0

    cdef int _after_fork(self) except -1:
        """Update the state in the child of a fork, which has a single thread: the calls that waited
        are gone, and a call of another thread that held the turn never ends."""
        self.line, self.waiting, self.looks = None, 0, 0
        if self.holder not in (NBT_NOBODY, PyThread_get_thread_ident()):
            self.holder = NBT_TORN
        return 0


EVERY = WeakSet()


def _after_fork():
    for turns in EVERY:
        (<Turns>turns)._after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
