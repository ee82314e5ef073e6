#include "mom/train/metrics_log.h"

namespace mom::train {
namespace {

Path trimmed_log(const Path& run, int64_t steps_done) {
  const Path path = run / "metrics.jsonl";
  if (!std::filesystem::exists(path)) return path;
  std::string kept;
  // Without a checkpoint the run starts again, with its first evaluation.
  if (steps_done == 0) {
    publish_file(path, kept);
    return path;
  }
  for_each_line(path, [&](std::string_view line, uint64_t number) {
    Json json;
    try {
      json = parse_json(line, path.string() + ":" + std::to_string(number));
    } catch (const std::exception&) {
      return;  // a line torn by a kill
    }
    if (json.value("step", int64_t{0}) <= steps_done) kept.append(line).push_back('\n');
  });
  publish_file(path, kept);
  return path;
}

// Over all blocks with experts: the mean balance loss (1: even), the share of choices that found their expert
// full, the router's entropy in nats, and how often each expert was chosen, by block and modality.
void add_experts(OrderedJson& line, const nn::ExpertReport& report,
                 const std::vector<std::string>& modalities) {
  if (report.empty()) return;
  double balance = 0, dropped = 0, choices = 0, entropy = 0, tokens = 0;
  OrderedJson shares = OrderedJson::object();
  for (const auto& [block, load] : report) {
    balance += load.balance(), entropy += load.entropy_nats();
    tokens += static_cast<double>(load.num_tokens);
    dropped += load.num_dropped(), choices += static_cast<double>(load.num_choices);
    OrderedJson& of_block = shares[std::to_string(block)];
    for (size_t m = 0; m < modalities.size(); ++m) {
      const int64_t* row =
          load.choices_ME.const_data_ptr<int64_t>() + static_cast<int64_t>(m) * load.choices_ME.size(1);
      of_block[modalities[m]] = std::vector<int64_t>(row, row + load.choices_ME.size(1));
    }
  }
  if (balance > 0) line["experts_balance"] = balance / tokens;
  line["experts_dropped"] = dropped / choices;
  line["router_entropy"] = entropy / tokens;
  line["experts_chosen"] = shares;
}

}  // namespace

MetricsLog::MetricsLog(const Path& run, int64_t steps_done, const models::ModelSpec& spec)
    : spec_(spec), lines_(trimmed_log(run, steps_done)), tensorboard_(run / "tensorboard") {}

OrderedJson MetricsLog::start_line(const char* kind, const Trainer& trainer) const {
  OrderedJson line;
  line["kind"] = kind;
  line["step"] = trainer.steps_done();
  int64_t total = 0;
  for (int64_t tokens : trainer.tokens_seen()) total += tokens;
  line["tokens"] = total;
  for (size_t m = 0; m < spec_.modalities.size(); ++m)
    line["tokens_" + spec_.modalities[m]] = trainer.tokens_seen()[m];
  line["flops"] = trainer.flops();
  return line;
}

void MetricsLog::add_losses(OrderedJson& line, const models::LossReport& loss, const Trainer& trainer) const {
  line["loss"] = trainer.objective().combined_loss(loss);
  for (size_t m = 0; m < spec_.modalities.size(); ++m)
    if (loss[m].count > 0) line["loss_" + spec_.modalities[m]] = loss[m].mean();
}

void MetricsLog::train_step(const StepReport& report, const Trainer& trainer) {
  OrderedJson line = start_line("train", trainer);
  add_losses(line, report.loss, trainer);
  add_experts(line, report.experts, spec_.modalities);
  line["lr"] = report.learning_rate;
  line["grad_norm"] = report.grad_norm;
  line["tokens_per_s"] = static_cast<double>(report.num_tokens) / report.seconds;
  line["tokens_per_cpu_s"] = static_cast<double>(report.num_tokens) / report.cpu_seconds;
  line["step_s"] = report.seconds;
  line["data_s"] = report.data_seconds;
  line["forward_s"] = report.forward_seconds;
  line["backward_s"] = report.backward_seconds;
  line["optimizer_s"] = report.optimizer_seconds;
  if (trainer.num_processes() > 1) {
    line["comm_s"] = report.communication_seconds;
    line["comm_bytes"] = report.bytes_sent;
    line["slowest_rank"] = report.slowest_rank;
  }
  write(line, "train/");
}

void MetricsLog::held_out(const std::string& set, const models::LossReport& loss, const Trainer& trainer) {
  OrderedJson line = start_line("eval", trainer);
  line["set"] = set;
  add_losses(line, loss, trainer);
  write(line, "eval/" + set + "/");
}

void MetricsLog::write(const OrderedJson& line, const std::string& prefix) {
  lines_.append(line.dump());
  const int64_t step = line["step"].get<int64_t>();
  for (const auto& [key, value] : line.items())
    if (value.is_number() && key != "step") tensorboard_.scalar(prefix + key, step, value.get<double>());
}

void MetricsLog::sync() {
  lines_.sync();
  tensorboard_.flush();
}

}  // namespace mom::train
