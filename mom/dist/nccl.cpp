#include "mom/dist/nccl.h"

#include <c10/util/Exception.h>
#ifdef MOM_CUDA
#include <ATen/ATen.h>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupNCCL.hpp>
#endif

namespace mom::dist {

#ifdef MOM_CUDA
namespace {

using Nccl = c10d::ProcessGroupNCCL;

class Started : public Pending {
 public:
  explicit Started(c10::intrusive_ptr<c10d::Work> work) : work_(std::move(work)) {}
  void wait() override { work_->wait(); }

 private:
  c10::intrusive_ptr<c10d::Work> work_;
};

class NcclExchanges : public DeviceExchanges {
 public:
  NcclExchanges(const Place& place, const c10::intrusive_ptr<c10d::Store>& store,
                std::chrono::milliseconds timeout)
      : own_(static_cast<size_t>(place.rank)) {
    const auto options = Nccl::Options::create();
    options->timeout = timeout;
    nccl_ = c10::make_intrusive<Nccl>(c10::make_intrusive<c10d::PrefixStore>("nccl", store), place.rank,
                                      place.size, options);
  }

  std::unique_ptr<Pending> start(std::vector<at::Tensor> to, std::vector<at::Tensor> from) override {
    to[own_] = from[own_] = from[own_].narrow(0, 0, 0);  // what stays here has been copied
    return std::make_unique<Started>(nccl_->alltoall(from, to));
  }

 private:
  size_t own_;
  c10::intrusive_ptr<Nccl> nccl_;
};

}  // namespace

std::unique_ptr<DeviceExchanges> nccl_exchanges(const Place& place,
                                                const c10::intrusive_ptr<c10d::Store>& store,
                                                std::chrono::milliseconds timeout) {
  return std::make_unique<NcclExchanges>(place, store, timeout);
}
#else
std::unique_ptr<DeviceExchanges> nccl_exchanges(const Place&, const c10::intrusive_ptr<c10d::Store>&,
                                                std::chrono::milliseconds) {
  TORCH_CHECK(false, "this build moves no device's memory between processes");
}
#endif

}  // namespace mom::dist
