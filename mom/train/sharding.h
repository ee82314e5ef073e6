// What the processes of a run exchange (ZeRO, Rajbhandari et al. 2020, arXiv 1910.02054). Of each bucket of a row
// every process owns one part (dist/shard_plan.h): what it has of the weights there, of their average and of the moments is what
// counts, and all that is saved. In a step it receives the others' gradients of its part, updates it and sends the new weights.
// Sums are a fixed tree over the ranks, so that the bits do not depend on the number of processes (microbatches.h).
// Alone, all of it is nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "mom/dist/group.h"
#include "mom/dist/shard_plan.h"
#include "mom/train/row.h"
#include "mom/train/table_rows.h"
#include "mom/train/transit.h"

namespace mom::train {

// How the rows of a model are shared out, with buckets small enough that backward completes some long before its end, and large
// enough for a network. Where all is sharded, a bucket between two blocks is there for both: they are smaller. So are
// those of the weights that backward completes last and forward reads first, which are `edge` numbers: nothing hides what they take.
dist::ShardPlan shard_plan(int64_t length, int processes, bool all, int64_t edge);
// Of a bucket that is not at the edge.
int64_t bucket_length(int64_t length, bool all);

class Sharding {
 public:
  // Of rows that are plan.padded() long. `transit`: of weights between forwards, and of gradients where Reduction says so; what is
  // saved travels as it is.
  Sharding(dist::Group& group, const dist::ShardPlan& plan, Transit transit = Transit());

  const dist::ShardPlan& plan() const { return plan_; }
  dist::Group& group() const { return group_; }
  const Transit& transit() const { return transit_; }
  const std::vector<Range>& own() const { return own_; }

  // Brings every process's part of a bucket to all.
  std::unique_ptr<dist::Pending> fetch(const at::Tensor& row, int64_t bucket) const;
  // To each rank what its transit lets travel.
  std::unique_ptr<dist::Pending> fetch(const at::Tensor& row, int64_t bucket,
                                       const std::vector<Transit>& by_rank) const;
  // Gives back the memory of the others' parts; those inside of a range, whose last pages may stay.
  void drop(const at::Tensor& row, int64_t bucket) const;
  void drop(const at::Tensor& row, const Range& range) const;
  void drop_all(const at::Tensor& row) const;

  // Collective: each rank wants the numbers of one range of a row (of none: length 0), and gets them from their owners.
  struct Wish {
    at::Tensor row;
    Range range{0, 0};
  };
  at::Tensor gather(const std::vector<Wish>& by_rank) const;
  // The way back: `values`, of the range, are read on rank 0 alone, and may be there in the row itself.
  void scatter(const at::Tensor& values, const Range& range, const at::Tensor& row) const;
  // The sum over all chunks in their order of what chunk_squares says of each process's own ranges, by rank.
  double sum_of_chunks(const std::vector<std::vector<double>>& squares_by_rank) const;

 private:
  Range part(int64_t bucket, int rank) const {
    return {plan_.part_begin(bucket, rank), plan_.part_size(bucket)};
  }
  // Sends the own part of a bucket, packed for each rank, and unpacks the others' as `mine` says.
  std::unique_ptr<dist::Pending> exchange_parts(const at::Tensor& row, int64_t bucket,
                                                std::vector<at::Tensor> to, const Transit& mine) const;
  // Calls visit(rank, range) for what each rank owns of `range`.
  void visit_owners(const Range& range, const std::function<void(int, const Range&)>& visit) const;

  friend class Reduction;
  dist::Group& group_;
  dist::ShardPlan plan_;
  Transit transit_;
  std::vector<Range> own_;
};

// Of each process its own gradient -> the sum of all in the own ranges of `gradient`; the rest is undefined, or given back
// with `keep_own`. Buckets go from the last to the first, the order in which backward completes them.
class Reduction {
 public:
  // Buckets under way at once: one is added up while the next ones arrive. Fewer where memory counts.
  static constexpr int64_t kUnderWay = 8, kUnderWayKeepingOwn = 3;

  // `of_one_microbatch`: so that the numbers may travel as the sharding's transit says. `rows`: of
  // the table of embeddings, what of it each process's gradient has; null: all.
  Reduction(const Sharding& sharding, const at::Tensor& gradient, bool of_one_microbatch,
            bool keep_own = false, const RowsRead* rows = nullptr);
  // From element `begin` on, the gradient is complete: buckets of it start on their way.
  void complete_from(int64_t begin);
  void finish();                               // all of them
  double seconds() const { return seconds_; }  // spent in here

 private:
  struct UnderWay {
    int64_t bucket;
    std::unique_ptr<dist::Pending> pending;
    std::vector<at::Tensor> parts;  // by rank, as they travel
  };
  void add_up(UnderWay& bucket);
  const Sharding& sharding_;
  at::Tensor gradient_;
  std::vector<Transit> by_rank_;
  bool keep_own_;
  int64_t next_;  // bucket
  double seconds_ = 0;
  std::deque<UnderWay> under_way_;
};

// Every process's own ranges, on every process. Buckets go from the first to the last, the order in which forward reads them;
// where it is known what each process reads of the table of embeddings, the rest of that comes behind them.
class Spread {
 public:
  Spread(const Sharding& sharding, const at::Tensor& row, std::optional<RowsRead> rows = {});
  void start(int64_t bucket);  // its own part is complete; each in turn
  Spread& start_all();
  // Waits for what is read of all before element `end`. Any thread may call it.
  void await(int64_t end);
  void finish();                               // waits for all
  double seconds() const { return seconds_; }  // waited

 private:
  void await_buckets(int64_t end);
  const Sharding& sharding_;
  at::Tensor row_;
  std::vector<Transit> read_, rest_;         // by rank; where it is known
  int64_t table_begin_ = 0, table_end_ = 0;  // buckets of the table
  std::mutex mutex_;
  std::deque<std::unique_ptr<dist::Pending>> under_way_, rest_under_way_;
  int64_t next_ = 0;  // bucket, the first of them
  double seconds_ = 0;
};

}  // namespace mom::train
