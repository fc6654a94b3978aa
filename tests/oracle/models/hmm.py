"""Hidden Markov models by definition: all paths, and Cappé's recursion, statistic by statistic.

A[i, j] = P(j | i), B[j, y] = P(y | j), start (N,). O. Cappé, *Online EM algorithm for hidden Markov
models*, J. Comput. Graph. Statist. 20(3), 2011, Algorithm 1.
"""

import itertools

import numpy as np


def paths(start, A, B, y):
    """Every path of hidden states and its probability together with y."""
    N = len(A)
    for path in itertools.product(range(N), repeat=len(y)):
        p = start[path[0]] * B[path[0], y[0]]
        for s in range(1, len(y)):
            p *= A[path[s - 1], path[s]] * B[path[s], y[s]]
        yield path, p


def smoothed_statistics(start, A, B, y, gammas):
    """E of the running averages given all of y: transitions (N, N) and emissions (N, M).

    gammas[s] is the weight of the terms of step s when they come, s = 1, …; at each later step u
    they lose the factor 1 - gammas[u].
    """
    transitions, emissions, total = np.zeros_like(A), np.zeros_like(B), 0.0
    for path, p in paths(start, A, B, y):
        total += p
        for s in range(1, len(y)):
            weight = gammas[s] * np.prod([1 - g for g in gammas[s + 1 :]])
            transitions[path[s - 1], path[s]] += weight * p
            emissions[path[s], y[s]] += weight * p
    return transitions / total, emissions / total


class OnlineEM:
    """Cappé's Algorithm 1. rho_q[i, j, k], rho_g[j, y, k]: statistics given that the state is k."""

    def __init__(self, start, A, B, gamma, burn_in, least):
        self.A, self.B, self.gamma = A.copy(), B.copy(), gamma
        self.phi, self.start, self.t = None, start, 0
        self.burn_in, self.least = burn_in, least
        N, M = B.shape
        self.rho_q, self.rho_g = np.zeros((N, N, N)), np.zeros((N, M, N))

    def learn(self, y):
        N, M = self.B.shape
        if self.t == 0:
            phi = self.start * self.B[:, y]
        else:
            phi = np.array(
                [sum(self.phi[i] * self.A[i, k] for i in range(N)) * self.B[k, y] for k in range(N)]
            )
        if self.t > 0:
            gamma = self.gamma(self.t)
            r = np.array(
                [[self.phi[i] * self.A[i, k] for k in range(N)] for i in range(N)]
            )  # r[i, k] = P(now i | next k)
            r = r / r.sum(axis=0)
            rho_q, rho_g = np.zeros_like(self.rho_q), np.zeros_like(self.rho_g)
            for k in range(N):
                for i in range(N):
                    for j in range(N):
                        old = sum(self.rho_q[i, j, x] * r[x, k] for x in range(N))
                        rho_q[i, j, k] = gamma * (j == k) * r[i, k] + (1 - gamma) * old
                    for z in range(M):
                        old = sum(self.rho_g[i, z, x] * r[x, k] for x in range(N))
                        rho_g[i, z, k] = gamma * (i == k) * (z == y) + (1 - gamma) * old
            self.rho_q, self.rho_g = rho_q, rho_g
        self.phi = phi / phi.sum()
        self.t += 1
        self.S_q, self.S_g = self.rho_q @ self.phi, self.rho_g @ self.phi
        if self.t > self.burn_in:
            self.A, self.B = self._probabilities(self.S_q), self._probabilities(self.S_g)
        return -np.log(phi.sum())

    def _probabilities(self, S):
        rows = np.maximum(S / S.sum(axis=1, keepdims=True), self.least)
        return rows / rows.sum(axis=1, keepdims=True)
