// Run folders with made-up curves, for tests of compare and report only: no training stands behind these
// numbers.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "mom/base/json.h"
#include "mom/base/random.h"
#include "mom/formats/image_file.h"
#include "tests/support/temp_folder.h"

namespace mom::test {

struct FakeRun {
  std::string backbone = "mamba";
  std::string decoupled = "[]", route = "modality";
  double image_floor = 0.13, image_scale = 0.9;  // loss = floor + scale * (step + 10)^-0.5
  double text_floor = 3.6, text_scale = 12;
  double noise = 0.0;  // relative, on every logged loss
  int64_t steps = 450, eval_every = 25, train_every = 1;
  double flops_per_step = 2.4e11;
  double tokens_per_cpu_s = 0;  // 0: not logged
  std::string setting = "transfusion";
  std::string learning_rate = "0.0015";
  std::string caption = "red apple: fruit, red, healthy";
  // Backbones with experts (moe_...): in block 3 this part of a modality's choices falls on the last expert,
  // the others are even.
  int64_t experts = 4, experts_per_token = 1;
  std::string router = "token_choice";
  double image_favoured = 0.7, text_favoured = 0.25, dropped = 0.125;
  int64_t seed = 1;
  bool images = true, parameters = true, environment = true, evaluation = true, generation = false;
};

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

class FakeLosses {
 public:
  FakeLosses(const FakeRun& run, uint64_t seed) : run_(run), random_(seed) {}
  double image(double step) { return jitter(run_.image_floor + run_.image_scale / std::sqrt(step + 10)); }
  double text(double step) { return jitter(run_.text_floor + run_.text_scale / std::sqrt(step + 10)); }

 private:
  double jitter(double loss) { return loss * (1 + run_.noise * random_.normal()); }
  FakeRun run_;
  RandomStream random_;
};

inline OrderedJson fake_line(const FakeRun& run, const char* kind, int64_t step) {
  const double tokens = static_cast<double>(step) * 4096;
  return {{"kind", kind},
          {"step", step},
          {"tokens", tokens},
          {"tokens_text", tokens / 2},
          {"tokens_image", tokens / 2},
          {"flops", static_cast<double>(step) * run.flops_per_step}};
}

inline bool has_experts(const FakeRun& run) { return run.backbone.rfind("moe_", 0) == 0; }

// 2048 tokens a modality in blocks 1 and 3. The first 80% of the steps are even: only the rest may count.
inline OrderedJson fake_choices(const FakeRun& run, int64_t step) {
  const auto spread = [&](double favoured) {
    std::vector<double> counts(static_cast<size_t>(run.experts),
                               2048 * (1 - favoured) / static_cast<double>(run.experts - 1));
    counts.back() = 2048 * favoured;
    return counts;
  };
  const double even = 1 / static_cast<double>(run.experts);
  const bool late = 5 * step > 4 * run.steps;
  OrderedJson blocks;
  blocks["1"] = {{"text", spread(even)}, {"image", spread(even)}};
  blocks["3"] = {{"text", spread(late ? run.text_favoured : even)},
                 {"image", spread(late ? run.image_favoured : even)}};
  return blocks;
}

inline void add_fake_experts(OrderedJson& line, const FakeRun& run, int64_t step) {
  if (run.router == "token_choice") line["experts_balance"] = 1.25;
  line["experts_dropped"] = run.dropped;
  line["router_entropy"] = 0.8 * std::log(static_cast<double>(run.experts));
  line["experts_chosen"] = fake_choices(run, step);
}

inline void write_fake_metrics(const std::filesystem::path& folder, const FakeRun& run) {
  FakeLosses training(run, 1), held_out(run, 2);
  std::string lines;
  for (int64_t step = 0; step <= run.steps; ++step) {
    if (step > 0 && step % run.train_every == 0) {
      OrderedJson line = fake_line(run, "train", step);
      const double text = training.text(static_cast<double>(step)),
                   image = training.image(static_cast<double>(step));
      line.update({{"loss", text + 5 * image},
                   {"loss_text", text},
                   {"loss_image", image},
                   {"lr", 1e-3},
                   {"grad_norm", 0.7},
                   {"tokens_per_s", 5200.0}});
      if (run.tokens_per_cpu_s > 0) line["tokens_per_cpu_s"] = run.tokens_per_cpu_s;
      if (has_experts(run)) add_fake_experts(line, run, step);
      lines += line.dump() + "\n";
    }
    if (step % run.eval_every != 0) continue;
    const double text = held_out.text(static_cast<double>(step)),
                 image = held_out.image(static_cast<double>(step));
    OrderedJson noto = fake_line(run, "eval", step);
    noto.update({{"set", "noto"},
                 {"loss", text + 0.4 + 5 * image},
                 {"loss_text", text + 0.4},
                 {"loss_image", image}});
    OrderedJson same = fake_line(run, "eval", step), other = same;
    same.update({{"set", "gcide"}, {"loss", text}, {"loss_text", text}});
    other.update({{"set", "foldoc"}, {"loss", text + 1.1}, {"loss_text", text + 1.1}});
    lines += noto.dump() + "\n" + same.dump() + "\n" + other.dump() + "\n";
  }
  write_text(folder / "metrics.jsonl", lines);
}

// A disc on white, under noise, and after `error` of the noise is left.
inline std::string fake_image(int index, double noise, double error) {
  formats::Image image{64, 64, 3, std::vector<uint8_t>(64 * 64 * 3, 255)};
  RandomStream random(static_cast<uint64_t>(index) + 100);
  for (int y = 0; y < 64; ++y) {
    for (int x = 0; x < 64; ++x) {
      const bool inside = std::hypot(x - 32, y - 32 + index % 5) < 18 + index % 7;
      for (int c = 0; c < 3; ++c) {
        const double clean = inside ? (c == index % 3 ? 220 : 60) : 255;
        const double value = clean + 255 * noise * error * random.normal();
        image.pixels[static_cast<size_t>((y * 64 + x) * 3 + c)] =
            static_cast<uint8_t>(std::min(255.0, std::max(0.0, value)));
      }
    }
  }
  return formats::encode_png(image);
}

inline void write_fake_samples(const std::filesystem::path& folder, const FakeRun& run, double error) {
  OrderedJson list = {{"step", run.steps}, {"items", OrderedJson::array()}};
  for (int i = 0; i < 6; ++i) {
    const std::string stem = std::to_string(i);
    const int timestep = 150 + 150 * i;
    const double noise = timestep / 1000.0;
    write_text(folder / (stem + "-original.png"), fake_image(i, 0, 0));
    write_text(folder / (stem + "-noised.png"), fake_image(i, noise, 1));
    write_text(folder / (stem + "-denoised.png"), fake_image(i, noise, error));
    list["items"].push_back(
        {{"caption", i == 0 ? run.caption : "held-out concept " + stem + ": keyword, another keyword"},
         {"timestep", timestep},
         {"original", stem + "-original.png"},
         {"noised", stem + "-noised.png"},
         {"denoised", stem + "-denoised.png"}});
  }
  write_text(folder / "denoised.json", list.dump());
}

inline OrderedJson fake_accuracy(double share) {
  return {{"accuracy", share}, {"interval", {share - 0.05, share + 0.05}}, {"correct", 1}, {"of", 200}};
}

inline OrderedJson fake_items(const std::filesystem::path& folder, const FakeRun& run,
                              const std::string& name, double better) {
  OrderedJson items = OrderedJson::array();
  for (int i = 0; i < 3; ++i) {
    const std::string stem = name + "-" + std::to_string(i);
    write_text(folder / (stem + "-generated.png"), fake_image(i, 0.5, 1 - better));
    write_text(folder / (stem + "-original.png"), fake_image(i, 0, 0));
    write_text(folder / (stem + "-nearest.png"), fake_image(i + 1, 0, 0));
    items.push_back({{"caption", i == 0 ? run.caption : "asked " + std::to_string(i)},
                     {"generated", stem + "-generated.png"},
                     {"original", stem + "-original.png"},
                     {"nearest", stem + "-nearest.png"},
                     {"nearest_caption", run.caption}});
  }
  return items;
}

// Two captions, four seeds each, of 8 x 8 pixels.
inline OrderedJson fake_grid(const std::filesystem::path& folder, const FakeRun& run) {
  const int64_t width = 4 * 10 - 2, height = 2 * 10 - 2;
  const formats::Image sheet{width, height, 3,
                             std::vector<uint8_t>(static_cast<size_t>(width * height * 3), 90)};
  write_text(folder / "grid.png", formats::encode_png(sheet));
  return {
      {"file", "grid.png"},
      {"seeds", 4},
      {"side", 8},
      {"gap", 2},
      {"rows",
       {{{"caption", run.caption}, {"bucket", "trained"}}, {{"caption", "a row"}, {"bucket", "unseen"}}}}};
}

inline OrderedJson fake_distance(double mean) { return {{"mean", mean}, {"standard_error", 0.015625}}; }

inline OrderedJson fake_bucket(const std::filesystem::path& folder, const FakeRun& run,
                               const std::string& name, double better) {
  const bool trained = name == "trained";
  OrderedJson copies = {{"generated", fake_accuracy(0.09375)}};
  if (!trained) copies["real"] = fake_accuracy(0.0625);
  return {{"generated", 100},
          {"retrieval",
           {{"among", 20},
            {"generated", fake_accuracy((trained ? 0.5 : 0.1) + better / 8)},
            {"real", fake_accuracy(trained ? 0.8125 : 0.3125)},
            {"accepted", trained}}},
          {"kid", {{"generated", fake_distance(0.375 - better / 4)}, {"real", fake_distance(0.03125)}}},
          {"copies", copies},
          {"seams", {{"ratio", 1.625}}},
          {"items", fake_items(folder, run, name, better)}};
}

inline OrderedJson fake_use(double use) {
  return {{"use", use},
          {"standard_error", 0.002},
          {"levels", {{{"from", 400}, {"to", 600}, {"use", 2 * use}, {"standard_error", 0.004}}}}};
}

// As `mom eval --generation` leaves it; `better` in [0, 1].
inline void write_fake_generation(const std::filesystem::path& folder, const FakeRun& run, double better) {
  const OrderedJson json = {
      {"step", run.steps},
      {"pictures",
       {{"generated", 200},
        {"buckets",
         {{"trained", fake_bucket(folder, run, "trained", better)},
          {"unseen", fake_bucket(folder, run, "unseen", better)}}},
        {"grid", fake_grid(folder, run)}}},
      {"caption_use", {{"trained", fake_use(0.033)}, {"unseen", fake_use(0.011)}}},
      {"descriptions",
       {{"trained",
         {{"among", 20}, {"by_information", fake_accuracy(0.45)}, {"by_likelihood", fake_accuracy(0.25)}}}}},
      {"captions_of_image",
       {{"noto",
         {{"among", 20},
          {"by_information", fake_accuracy(0.15)},
          {"by_likelihood", fake_accuracy(0.0875)}}}}},
      {"text", {{"gcide", {{"bits_per_byte", 2.125 - better}, {"bytes", 1000}}}}}};
  write_text(folder / "quality.json", json.dump());
}

// As version 0.1.0 left it: one bucket, other figures.
inline void write_older_generation(const std::filesystem::path& folder, const FakeRun& run) {
  const OrderedJson json = {
      {"step", run.steps},
      {"pictures",
       {{"generated", 200},
        {"frechet", {{"distance", 3.25}, {"distance_of_training_pictures", 0.4375}}},
        {"retrieval",
         {{"among", 20}, {"generated", fake_accuracy(0.1)}, {"real", fake_accuracy(0.3125)}, {"ridge", 0.1}}},
        {"nearest", {{"ratio", 1.375}}},
        {"items", fake_items(folder, run, "picture", 0)}}}};
  write_text(folder / "quality.json", json.dump());
}

inline std::string fake_recipe(const FakeRun& run) {
  return "setting = \"" + run.setting + "\"\nseed = " + std::to_string(run.seed) +
         "\n\n[model]\nbackbone = \"" + run.backbone +
         "\"\nd_model = 192\nlayers = 4\ndecoupled = " + run.decoupled + "\nroute = \"" + run.route + "\"" +
         "\nexperts = " + std::to_string(run.experts) +
         "\nexperts_per_token = " + std::to_string(run.experts_per_token) + "\nrouter = \"" + run.router +
         "\"\n\n[data]\npath = \"data/quickstart\"\nsequence_tokens = 512\nbatch_tokens = 4096\nmixture = { "
         "images = 0.5, gcide = 0.5 }\n\n"
         "[objective]\nimage_weight = 5.0\ndiffusion_steps = 1000\n\n[train]\nsteps = " +
         std::to_string(run.steps) + "\nlearning_rate = " + run.learning_rate + "\n";
}

// Writes a run folder and returns its path.
inline std::filesystem::path write_fake_run(const std::filesystem::path& folder, const FakeRun& run) {
  const bool mix = run.backbone != "mamba";
  write_text(folder / "recipe.toml", fake_recipe(run));
  write_fake_metrics(folder, run);
  if (run.environment) {
    write_text(folder / "environment.json",
               OrderedJson({{"mom_version", "0.1.0"},
                            {"torch", "2.13.0"},
                            {"cpu", "a test, no machine"},
                            {"threads", 2},
                            {"machine", {{"host", "some-host"}}},
                            {"data",
                             {{"path", "data/quickstart"},
                              {"manifest",
                               {{"format", "mom-encoded"},
                                {"titles", {{"noto", "emoji of held-out concepts"}}},
                                {"shards", {"a"}}}}}}})
                   .dump());
  }
  if (run.parameters) {
    OrderedJson parameters;
    parameters["parameters"] = {{"total", mix ? 7903104 : 5240448},
                                {"embedding", 1572864},
                                {"active", {{"text", 3667584}, {"image", 3682944}}}};
    parameters["flops_per_token"] = {{"text", 10650000}, {"image", 7520000}};
    parameters["flops_per_token_by_term"] = {
        {"text", {{"gemm", 8520000}, {"conv", 0}, {"scan", 2130000}, {"attention", 0}, {"router", 0}}},
        {"image", {{"gemm", 7520000}, {"conv", 0}, {"scan", 0}, {"attention", 0}, {"router", 0}}}};
    parameters["sequence_tokens"] = 512;
    parameters["state_bytes"] = 233472;
    write_text(folder / "parameters.json", parameters.dump());
  }
  if (run.evaluation) {
    const double at_end = 1 / std::sqrt(static_cast<double>(run.steps) + 10);
    const double text = run.text_floor + run.text_scale * at_end,
                 image = run.image_floor + run.image_scale * at_end;
    OrderedJson sets;
    sets["noto"] = {
        {"loss", {{"text", text + 0.4}, {"image", image}}},
        {"loss_overall", run.setting == "transfusion" ? text + 0.4 + 5 * image
                                                      : (1700 * (text + 0.4) + 5504 * image) / (1700 + 5504)},
        {"tokens", {{"text", 1700}, {"image", 5504}}}};
    sets["gcide"] = {{"loss", {{"text", text}}}, {"tokens", {{"text", 100000}}}};
    sets["foldoc"] = {{"loss", {{"text", text + 1.1}}}, {"tokens", {{"text", 100000}}}};
    write_text(folder / "evaluation.json", OrderedJson({{"step", run.steps}, {"sets", sets}}).dump());
  }
  if (run.images) write_fake_samples(folder / "samples", run, mix ? 0.15 : 0.25);
  if (run.generation) write_fake_generation(folder / "generation", run, mix ? 0.5 : 0);
  return folder;
}

inline FakeRun fake_mix() {
  FakeRun run;
  run.backbone = "mixture_of_mamba";
  run.decoupled = "[\"in_proj\", \"x_proj\", \"dt_proj\", \"out_proj\"]";
  run.image_floor = 0.119;
  run.image_scale = 0.86;
  run.text_scale = 11.3;
  return run;
}

// A run of another backbone with the same losses as the dense one.
inline FakeRun fake_backbone(const std::string& backbone) {
  FakeRun run;
  run.backbone = backbone;
  return run;
}

}  // namespace mom::test
