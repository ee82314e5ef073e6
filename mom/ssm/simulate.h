// `mom ssm simulate`: the equations of a linear state-space model at work on a system given as TOML. No torch here.
#pragma once

#include "mom/base/files.h"
#include "mom/base/json.h"

namespace mom::ssm {

// Writes impulse.csv, step.csv, response.csv and responses.svg into `out` (made where it is missing; files of
// these names are replaced) and returns the figures:
//   states, inputs, outputs, steps, dt, discretisation
//   stable (every state decays), largest_real_part (eigenvalues of A), spectral_radius (of discrete.a)
//   dc_gain [Y][U], null when A is singular; fft_difference between recurrence and convolution by FFT
//   final {t, h, y} of the last step; files; discrete {a, b, c, d}
// UserError and InputError as read_system_file; DivergedError when numbers overflow.
OrderedJson simulate_file(const Path& system, const Path& out);
std::string system_file_help();  // the TOML's keys, for --help

}  // namespace mom::ssm
