// The selective scan on a GPU. Arguments, equations and precision are those of mom/kernels/selective_scan.h; all pointers are
// to memory of the device, offsets and order included. Nothing is allocated, nothing waits, the host reads no argument but
// sizes: the caller gives a workspace and a stream.
//
//   h[t] = e[t] h[t-1] + step[t] u[t] b[t],   e[t] = exp(step[t] a),   y[t] = c[t] . h[t] + skip u[t]
//   dh[t] = c[t] dy[t] + e[t+1] dh[t+1],   dx = dh e h[t-1] (of step a),   db = sum_d dh step u,   dc = sum_d dy h
//
// Work. A block of 128 threads has 32 channels and goes through a piece of one sequence in order, 32 positions at a time.
// A lane has four states of a channel, four lanes have a group of 16, a warp 8 channels; more states are further groups, one after
// another. Inputs, step = softplus(dt + bias) and results of 32 positions x 32 channels are tiles in shared memory, read and
// written in whole rows. Sums over states are shuffles among four lanes.
//
// Pieces. Channels alone fill no GPU: D = 1536 are 48 blocks. So sequences are cut into pieces, as long as the batch can fill
// kScanBlocks blocks with. All pieces but the last of a sequence are first run from a state of zero; the final state and the
// sums of step of each are all that is kept, since the state behind a piece is exp(a sum(step)) h + that final state. One more kernel
// goes from piece to piece, then all pieces run from the right state. Backward does the same from the other end.
// How sequences are cut depends on shapes only, so bits do not depend on the GPU. No block waits for another.
//
// Backward starts from the states that forward kept, one for 32 positions, goes forward through them to the states before
// every eighth position, which wait in shared memory, then for eight positions at a time forward once more, now keeping e
// and h in registers, and back. Sums over channels (gradients of b and c) are halved from lane to lane until each lane has one of the
// 32, added over the block's four warps in order, and kept by block; sums over positions (a, skip, dt_bias) are kept by piece. Last
// kernels add these in order. There are no atomics: the same arguments give the same bits.
//
// Exponentials are ex2.approx, and a polynomial where |step a log2(e)| < 1/32: two units of error in each decay would add up
// over the time that a slow state remembers.
#pragma once

#include "mom/kernels/cuda/stream.h"
#include "mom/kernels/selective_scan.h"

namespace mom::kernels::cuda {

constexpr int64_t kScanBlocks =
    1056;  // pieces are no shorter than it takes to have so many blocks: 8 for each of an H100's 132 processors
constexpr int64_t kMinScanPiece = 128;  // positions

// Floats of one state for each chunk of positions, of the chunk_states in ScanOutputs and ScanGradients.
int64_t scan_chunk_state_size(const ScanInputs& in);
// Floats of the workspaces.
int64_t scan_forward_workspace_size(const ScanInputs& in);
int64_t scan_backward_workspace_size(const ScanInputs& in);

void selective_scan_forward(const ScanInputs& in, const ScanOutputs& out, float* workspace, Stream stream);
void selective_scan_backward(const ScanInputs& in, const ScanGradients& grad, float* workspace,
                             Stream stream);

}  // namespace mom::kernels::cuda
