/* arrays.h: every array that a learner may own, part by part.
 *
 * X(part, name, rows, columns, which, kind). Rows are padded to whole vecs (strides ldn,
 * ldA, …), matrices of parameters lie in panels (sizes cell.size and out.size); `which` says who
 * needs the array. What lies in it, `kind`:
 *
 * LEARNED: parameters and what the optimizer knows; moves only where a step learns.
 * CARRIED: what a step takes over from the one before.
 * DERIVED: made again from these, within a step or by `refresh`, before it is used.
 * SCRATCH: the same, and predictions write it, too: it says nothing of the state.
 *
 * The padding of every array is 0 and stays 0. */
#ifndef NBT_ARRAYS_H
#define NBT_ARRAYS_H

/* Rows of symbols that wait (dense/lazy.h): steps of an era, of an epoch; entries of the table. */
enum { NBT_ERA = 8192, NBT_EPOCH = 64, NBT_LAZY_TABLE = NBT_ERA + NBT_ERA / NBT_EPOCH + 1 };

/* θ = (b; W; r), leaks; pre-activations, activities, slopes; of gated cells c, y and 1. */
#define NBT_NETWORK_ARRAYS(X)                                                                      \
    X(network, theta, 1, cell.size, always, LEARNED)                                               \
    X(network, alpha, 1, ldn, always, LEARNED)                                                     \
    X(network, h, 1, ldn, always, CARRIED)                                                         \
    X(network, a, 1, ldn, always, CARRIED)                                                         \
    X(network, slope, 1, ldn, always, CARRIED)

/* φ; ∂ℓ/∂h, ∂ℓ/∂ŷ; a diagonal I_t (23) that does not depend on y (readout.h); the last input where
 * it is seen, and (a, x). Errors of means, and what changes φ by them (recursive.h). */
#define NBT_READOUT_ARRAYS(X)                                                                      \
    X(readout, phi, 1, out.size, always, LEARNED)                                                  \
    X(readout, H, 1, ldn, always, DERIVED)                                                         \
    X(readout, delta, 1, ldA, always, SCRATCH)                                                     \
    X(readout, information, 1, ldA, informed, SCRATCH)                                             \
    X(readout, last_x, 1, ldm, direct &&vectors, CARRIED)                                          \
    X(readout, features, 1, ldfeatures, direct &&vectors, SCRATCH)                                 \
    X(readout, turn, 1, ldA, shared, DERIVED)                                                      \
    X(readout, step, 1, ldfeatures, shared, DERIVED)

/* Kalman: diagonal and first row of J, for θ and φ. Adam: means of g and g². Of a system: the
 * metric's q, r (metric.h), and a vector (p) that is 0 between uses. Of a reference metric
 * (reference.h): φ flat, its gradient and metric; a direction. */
#define NBT_OPTIMIZER_ARRAYS(X)                                                                    \
    X(optimizer, theta_J, 1, theta_kept, kalman_theta, LEARNED)                                    \
    X(optimizer, theta_J0, 1, cell.size, kalman_theta, LEARNED)                                    \
    X(optimizer, phi_J, 1, phi_kept, kalman_phi, LEARNED)                                          \
    X(optimizer, phi_J0, 1, phi_size, kalman_phi, LEARNED)                                         \
    X(optimizer, theta_m, 1, cell.size, adam_theta, LEARNED)                                       \
    X(optimizer, theta_v, 1, cell.size, adam_theta, LEARNED)                                       \
    X(optimizer, phi_m, 1, out.size, adam_phi, LEARNED)                                            \
    X(optimizer, phi_v, 1, out.size, adam_phi, LEARNED)                                            \
    X(optimizer, metric_q, 1, theta_kept, measured, CARRIED)                                       \
    X(optimizer, metric_r, 1, cell.size, measured, CARRIED)                                        \
    X(optimizer, lead, 1, cell.size, measured, CARRIED)                                            \
    X(optimizer, phi_flat, 1, phi_size, reference, DERIVED)                                        \
    X(optimizer, phi_g, 1, phi_size, reference, DERIVED)                                           \
    X(optimizer, phi_q, 1, phi_kept, reference, CARRIED)                                           \
    X(optimizer, phi_r, 1, phi_size, reference, CARRIED)                                           \
    X(optimizer, direction, 1, ldA, reference, DERIVED)

/* NoBackTrack: pairs v̄ w̄, self-influence d, the regressors z of the last transition, s; what the
 * next sweep still has to do to w̄ and d, and 1024 times the most that an entry of them may be then
 * (dense/nobacktrack.h); norms. RTRL: G and its successor, in strips where the cell is
 * dense. Where θ is learned once in T steps, v̄ and G are of (c, y), and G lies as θ does. */
#define NBT_ESTIMATOR_ARRAYS(X)                                                                    \
    X(estimator, v, K *Sv, ldn, pairs, CARRIED)                                                    \
    X(estimator, w, Kw, cell.size, pairs, CARRIED)                                                 \
    X(estimator, d, 1, cell.size, exact, CARRIED)                                                  \
    X(estimator, z, 1, ldP, online, CARRIED)                                                       \
    X(estimator, fisher, 1, ldn, fisher, LEARNED)                                                  \
    X(estimator, keep_w, K, ldn, nobacktrack, CARRIED)                                             \
    X(estimator, add_w, K, ldn, nobacktrack, CARRIED)                                              \
    X(estimator, keep_d, 1, ldn, nobacktrack, CARRIED)                                             \
    X(estimator, excess, 1, ldn, exact &&nobacktrack, DERIVED)                                     \
    X(estimator, z_last, 1, ldP, nobacktrack, CARRIED)                                             \
    X(estimator, most_w, K, ldn, deferred_pairs, CARRIED)                                          \
    X(estimator, most_d, 1, ldn, deferred_pairs, CARRIED)                                          \
    X(estimator, norm_w, K, ldn, nobacktrack, DERIVED)                                             \
    X(estimator, norm_d, 1, ldn, nobacktrack, DERIVED)                                             \
    X(estimator, inner, K, ldn, nobacktrack, DERIVED)                                              \
    X(estimator, sv, K, ldP, descent, DERIVED)                                                     \
    X(estimator, norms, 1, K + 1, descent, DERIVED)                                                \
    X(estimator, G, rowsG, columnsG, rtrl || full, CARRIED)                                        \
    X(estimator, G_next, rowsG, columnsG, rtrl || full, CARRIED)

/* A reduction (reduction.h): the weights of ‖v‖²; ρ_i, signs; norms and ρ of the blocks. */
#define NBT_REDUCTION_ARRAYS(X)                                                                    \
    X(reduction, u, 1, ldn, nobacktrack, DERIVED)                                                  \
    X(reduction, rho, 1, ldn, nobacktrack, DERIVED)                                                \
    X(reduction, rho_inverse, 1, ldn, nobacktrack, DERIVED)                                        \
    X(reduction, sign, 1, ldn, online_pairs, DERIVED)                                              \
    X(reduction, block_v, 1, ldS, nobacktrack, DERIVED)                                            \
    X(reduction, block_w, 1, ldS, nobacktrack, DERIVED)                                            \
    X(reduction, block_rho, 1, ldS, nobacktrack, DERIVED)                                          \
    X(reduction, block_inverse, 1, ldS, nobacktrack, DERIVED)

/* The last steps: NoBackTrack's ring (window.h); truncated BPTT's steps, and the gradients
 * collected from closed windows; the same of cells with gates (gated/steps.h), with ∂ℓ/∂y, and
 * what follows from them. Of a stack its layers have these, and θ (gated/layers.h). */
#define NBT_PAST_ARRAYS(X)                                                                         \
    X(past, past_F, T *n, ldn, ringed, CARRIED)                                                    \
    X(past, past_a, T, ldn, ringed, CARRIED)                                                       \
    X(past, past_x, T, ldm, ringed &&vectors, CARRIED)                                             \
    X(past, hop, K * T * S, ldn, ringed, CARRIED)                                                  \
    X(past, hop_right, K *T, ldn, ringed, CARRIED)                                                 \
    X(past, adjoint, T + 1, ldn, ringed, DERIVED)                                                  \
    X(past, recent, threads, ldrecent, ringed, CARRIED)                                            \
    X(past, window_h, T *phases, ldn, kept_steps, CARRIED)                                         \
    X(past, window_x, T, ldm, kept_steps, CARRIED)                                                 \
    X(past, window_delta, T, ldA, bptt, CARRIED)                                                   \
    X(past, g_theta, 1, cell.size, kept_steps, CARRIED)                                            \
    X(past, g_phi, 1, out.size, bptt, CARRIED)                                                     \
    X(past, window_a, 1 + T, ldn, kept_steps, CARRIED)                                             \
    X(past, window_slope, 1 + T, ldn, bptt, CARRIED)                                               \
    X(past, window_back, T, ldn, bptt, DERIVED)                                                    \
    X(past, window_H, T, ldn, windowed, CARRIED)                                                   \
    X(past, first_slope, 1, ldn, windowed, CARRIED)                                                \
    X(past, local, T, gates *ldn, windowed, DERIVED)                                               \
    X(past, pushed, K * 2, ldn, windowed && pairs, DERIVED)                                        \
    X(past, below, ways *T, ldm, upper, DERIVED)                                                   \
    X(past, keep, T, ldn, windowed, DERIVED)                                                       \
    X(past, show, T, ldn, windowed, DERIVED)                                                       \
    X(past, back, ways *T, cell.ld, windowed, DERIVED)                                             \
    X(past, back_W, ways *T, cell.ld, windowed, DERIVED)                                           \
    X(past, back_r, ways *T, cell.ld, windowed, DERIVED)                                           \
    X(past, back_last, ways *T, cell.ld, last_row, DERIVED)                                        \
    X(past, own, T, cell.ld, exact &&windowed, DERIVED)                                            \
    X(past, own_W, T, cell.ld, exact &&windowed, DERIVED)                                          \
    X(past, own_r, T, cell.ld, exact &&windowed, DERIVED)                                          \
    X(past, own_last, T, cell.ld, exact &&last_row, DERIVED)                                       \
    X(past, met, T, gates *ldn, last_row, DERIVED)                                                 \
    X(past, slant, T, gates *ldn, last_row, DERIVED)                                               \
    X(past, bias, gates, ldn, gated &&rms, DERIVED)                                                \
    X(past, last, gates, ldn, gated && at->last_row, DERIVED)                                      \
    X(past, polar, 4, ldn, gated && at->paired, DERIVED)

/* Rows of symbols that wait (lazy.h). */
#define NBT_WAITING_ARRAYS(X)                                                                      \
    X(waiting, lazy_q, K, NBT_LAZY_TABLE, lazy, CARRIED)                                           \
    X(waiting, lazy_r, K, NBT_LAZY_TABLE, lazy, CARRIED)                                           \
    X(waiting, lazy_norm, 1, K, lazy, CARRIED)                                                     \
    X(waiting, active_norm, 1, K, lazy, CARRIED)                                                   \
    X(waiting, lazy_step, 1, K, lazy, DERIVED)

/* A system: values of ∂f/∂θ, and each parameter's own (sparse.h); its x and y. */
#define NBT_SYSTEM_ARRAYS(X)                                                                       \
    X(system, values, 1, entries, followed, CARRIED)                                               \
    X(system, own, 1, cell.size, is_system &&online_pairs, DERIVED)                                \
    X(system, x, 1, ldm, is_system, CARRIED)                                                       \
    X(system, y, 1, ldY, is_system, SCRATCH)

/* What a step works with, and predictions, too: the input as it is read, the state that follows.
 * nbt_scratch (learner.h) has the names of each use. */
#define NBT_SCRATCH_ARRAYS(X)                                                                      \
    X(scratch, c, K, ldn, online_pairs, DERIVED)                                                   \
    X(scratch, pushed, (K + T) * S, ldn, online_pairs, DERIVED)                                    \
    X(scratch, pairs, threads *K, ldpair, nobacktrack, DERIVED)                                    \
    X(scratch, F, rowsF, columnsF, rtrl || full, DERIVED)                                          \
    X(scratch, g_flat, 1, ldG, rtrl, DERIVED)                                                      \
    X(scratch, g, 1, cell.size, rtrl || followed || windowed, DERIVED)                             \
    X(scratch, sums, 2, cell.ld, gated, SCRATCH)                                                   \
    X(scratch, gates, gates, ldn, gated, SCRATCH)                                                  \
    X(scratch, local_next, 2 + 3 * gates, ldn, gated, SCRATCH)                                     \
    X(scratch, factors, 2, cell.ld, windowed, DERIVED)                                             \
    X(scratch, ends, 2 * (ways + K) + 1, ldn, windowed, DERIVED)                                   \
    X(scratch, w_new, K, cell.size, pairs &&windowed, DERIVED)                                     \
    X(scratch, turns, 3, K, pairs &&windowed, DERIVED)                                             \
    X(scratch, input, upper ? ways : 1, ldinput, always, SCRATCH)                                  \
    X(scratch, h_next, 1, ldn, always, SCRATCH)                                                    \
    X(scratch, a_next, 1, ldn, always, SCRATCH)                                                    \
    X(scratch, slope_next, 1, ldn, always, SCRATCH)

/* Inputs as they are read, and all but the oldest of them as they were last read. And, as doubles,
 * whatever the learner's dtype, online standardisation of inputs and targets (scaler.h): how many
 * came, mean, variance, and those that inputs are read with, if not these; mean squared error of
 * targets, the part of it that gradients see; the last squared error (readout.h), and as much of
 * it. */
#define NBT_SCALER_ARRAYS(X)                                                                       \
    X(scaler, x_read, 1, ldm, vectors, SCRATCH)                                                    \
    X(scaler, x_before, 1, ldm, lagged, CARRIED)
#define NBT_SCALER_DOUBLES(X)                                                                      \
    X(scaler, x_seen, 1, given, scale_x, CARRIED)                                                  \
    X(scaler, x_mean, 1, given, scale_x, CARRIED)                                                  \
    X(scaler, x_variance, 1, given, scale_x, CARRIED)                                              \
    X(scaler, x_kept_mean, 1, given, scale_x &&keep_x, CARRIED)                                    \
    X(scaler, x_kept_variance, 1, given, scale_x &&keep_x, CARRIED)                                \
    X(scaler, y_seen, 1, Y, scale_y, CARRIED)                                                      \
    X(scaler, y_mean, 1, Y, scale_y, CARRIED)                                                      \
    X(scaler, y_variance, 1, Y, scale_y, CARRIED)                                                  \
    X(scaler, y_error, 1, Y, scale_y, CARRIED)                                                     \
    X(scaler, y_limited, 1, Y, scale_y, CARRIED)                                                   \
    X(scaler, y_square, 2, Y, scale_y, DERIVED)

/* What is predicted, for a reference metric (reference.h). The covariance that means share, what
 * the next pass still has to do to it, and two vectors of a step (recursive.h). */
#define NBT_OPTIMIZER_DOUBLES(X)                                                                   \
    X(optimizer, predicted, 1, A, reference, DERIVED)                                              \
    X(optimizer, phi_P, ldshared, ldshared, shared, LEARNED)                                       \
    X(optimizer, phi_waiting, 3, ldshared, shared, CARRIED)                                        \
    X(optimizer, phi_e, 1, Y, shared, DERIVED)                                                     \
    X(optimizer, phi_unit, 1, 2 * Y, shared, DERIVED)                                              \
    X(optimizer, phi_f, 1, ldshared, shared, DERIVED)                                              \
    X(optimizer, phi_s, 1, ldshared, shared, DERIVED)

#define NBT_DOUBLES(X)                                                                             \
    NBT_SCALER_DOUBLES(X)                                                                          \
    NBT_OPTIMIZER_DOUBLES(X)

#define NBT_ARRAYS(X)                                                                              \
    NBT_NETWORK_ARRAYS(X)                                                                          \
    NBT_READOUT_ARRAYS(X)                                                                          \
    NBT_OPTIMIZER_ARRAYS(X)                                                                        \
    NBT_ESTIMATOR_ARRAYS(X)                                                                        \
    NBT_REDUCTION_ARRAYS(X)                                                                        \
    NBT_PAST_ARRAYS(X)                                                                             \
    NBT_WAITING_ARRAYS(X)                                                                          \
    NBT_SYSTEM_ARRAYS(X)                                                                           \
    NBT_SCALER_ARRAYS(X)                                                                           \
    NBT_SCRATCH_ARRAYS(X)

#endif
