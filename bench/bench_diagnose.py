"""The meter: one step of 100 replicas and RTRL, 20 units."""

import nbt

STEPS = 300


def test_diagnose(time_steps):
    trainer = nbt.NoBackTrack(nbt.LeakyRNN(20), nbt.Softmax(3))

    def call():
        nbt.diagnose(trainer, nbt.datasets.anbn(1, 32), STEPS)

    time_steps(call, STEPS, trainer=repr(trainer))
