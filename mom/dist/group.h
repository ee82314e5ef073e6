// Processes that train one model together. All operations are collective: every rank calls the same ones in the same
// order, with sizes that fit. They only move bytes; sums are ours (tree_sum.h), because their order must be fixed.
//
// Tensors are contiguous, of any type; those of an exchange all on the CPU or all on this process's device. A rank that dies,
// leaves or does not answer within the timeout ends the operations of the others with PeerError. Implementations: alone and
// threads (here), Gloo with NCCL for GPUs (rendezvous.h).
#pragma once

#include <ATen/core/Tensor.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "mom/base/error.h"

namespace mom::dist {

// A rank is gone or late; the message names it where that can be known.
class PeerError : public Error {
 public:
  explicit PeerError(const std::string& message) : Error(ExitCode::kInternal, message) {}
};

// An operation under way. Its tensors must not be touched until wait() has returned; it may not outlive its group.
class Pending {
 public:
  virtual ~Pending() = default;
  virtual void wait() = 0;
};

class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  virtual int local_rank() const { return 0; }  // among the processes of this machine

  // to[r] goes to rank r, from[r] comes from rank r: what from[r] of rank s has room for is what to[s] of rank r has.
  // Nothing is sent for empty tensors. to[rank()] is copied to from[rank()], unless they are the same memory.
  std::unique_ptr<Pending> exchange(std::vector<at::Tensor> to, std::vector<at::Tensor> from);

  // in and out in size() equal parts: part r of in goes to rank r, part r of out comes from rank r.
  std::unique_ptr<Pending> all_to_all(at::Tensor out, at::Tensor in);
  // out in size() equal parts: part r is rank r's in, which may be that part of out itself.
  std::unique_ptr<Pending> all_gather(at::Tensor out, at::Tensor in);
  // The root's tensor, on every rank. Moves about twice its bytes over every rank's link, whatever the number of ranks.
  void broadcast(at::Tensor tensor, int root);
  // Of every rank, on every rank; as many numbers on each.
  std::vector<std::vector<double>> gather_doubles(const std::vector<double>& mine);
  // For small texts, of any length each.
  std::vector<std::string> gather_strings(const std::string& mine);
  void barrier();

  // How long a wait may last before a rank counts as stalled. Raise it on all ranks before one of them does something long
  // by itself, such as writing a large checkpoint.
  std::chrono::milliseconds timeout() const { return timeout_; }
  void set_timeout(std::chrono::milliseconds timeout) { timeout_ = timeout; }

  // Tells the others why this rank ends, so that their errors can say it. Call it with the error's text before the group is
  // destroyed; a group that is destroyed without it has left well.
  virtual void leave(const std::string& why);

  int64_t bytes_sent() const { return bytes_sent_; }  // what this rank put on the wire, from the sizes

 protected:
  // The part of exchange() between different ranks: entries of rank() are ignored, the tensors are of bytes.
  virtual std::unique_ptr<Pending> start_exchange(std::vector<at::Tensor> to,
                                                  std::vector<at::Tensor> from) = 0;

 private:
  std::chrono::milliseconds timeout_ = std::chrono::seconds(90);
  int64_t bytes_sent_ = 0;
};

// A group of one: operations are copies or nothing.
std::unique_ptr<Group> alone();

// Threads of this process, for tests: each thread takes one of the groups, which talk to each other only.
std::vector<std::unique_ptr<Group>> thread_groups(int size);

}  // namespace mom::dist
