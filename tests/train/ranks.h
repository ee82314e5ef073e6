// Trainings by several processes, which are threads here (dist/group.h).
#pragma once

#include <gtest/gtest.h>

#include <exception>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "mom/dist/group.h"
#include "mom/ops/parallel.h"
#include "mom/train/checkpoint.h"
#include "mom/train/held_out.h"
#include "mom/train/trainer.h"

namespace mom::test {

// work(rank, its group) on `size` threads; the first error is thrown here.
inline void on_ranks(int size, const std::function<void(int, const std::shared_ptr<dist::Group>&)>& work) {
  std::vector<std::unique_ptr<dist::Group>> groups = dist::thread_groups(size);
  std::vector<std::exception_ptr> errors(static_cast<size_t>(size));
  {
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank, group = std::shared_ptr(std::move(groups[static_cast<size_t>(rank)]))] {
        const ops::ScopedThreads one(1);
        try {
          work(rank, group);
        } catch (const std::exception& error) {
          group->leave(error.what());
          errors[static_cast<size_t>(rank)] = std::current_exception();
        }
      });
  }
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
}

// Trains `steps` more steps in `run` on `size` processes and saves; returns losses, norms and held-out losses.
inline std::vector<double> train_on(int size, const train::Recipe& recipe, const Path& run, int steps,
                                    const std::shared_ptr<data::EncodedDataset>& dataset) {
  std::vector<std::vector<double>> seen(static_cast<size_t>(size));
  on_ranks(size, [&](int rank, const std::shared_ptr<dist::Group>& group) {
    train::Trainer trainer(recipe, dataset, group);
    const auto checkpoints = train::list_checkpoints(run);
    if (!checkpoints.empty()) trainer.resume(checkpoints.back().folder);
    std::vector<double>& mine = seen[static_cast<size_t>(rank)];
    for (int i = 0; i < steps; ++i) {
      const train::StepReport report = trainer.step();
      mine.insert(mine.end(), {report.total_loss, report.grad_norm, trainer.flops(),
                               static_cast<double>(report.num_tokens)});
      for (const auto& [block, load] : report.experts)
        mine.insert(mine.end(), {load.entropy_nats(), load.balance(), load.num_dropped()});
    }
    for (const train::HeldOutSet& set : train::held_out_sets(*dataset, recipe, 0))
      for (const models::LossSum& loss : trainer.held_out_loss(set.batches)) mine.push_back(loss.sum);
    trainer.save(run);
  });
  for (const std::vector<double>& of_rank : seen) EXPECT_EQ(of_rank, seen[0]);
  return seen[0];
}

}  // namespace mom::test
