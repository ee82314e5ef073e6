// The engine: documents keep their form whatever is drawn, a sequence does not depend on its neighbours, and
// painting from a state is painting with the whole document.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <numeric>

#include "mom/base/error.h"
#include "mom/base/random.h"
#include "mom/codecs/text_codec.h"
#include "mom/generate/engine.h"
#include "mom/generate/sequence.h"
#include "mom/models/backbones.h"
#include "tests/support/code_segments.h"
#include "tests/support/tiny_generation.h"

namespace mom {
namespace {

using generate::Answer;
using generate::DiffusionMethod;
using generate::DocumentRules;
using generate::Engine;
using generate::Feed;
using generate::kPicture;
using generate::Request;
using generate::Stop;
using generate::Until;
using modality::special::kBoi;
using modality::special::kBos;
using modality::special::kBosSpeech;
using modality::special::kEoi;
using modality::special::kEos;
using modality::special::kEosSpeech;
using models::Model;

Feed feed_of(const std::vector<int32_t>& tokens) { return {tokens, {}}; }

DocumentRules rules_of(const Model& model) { return {model->spec().vocabulary, model->spec().vocab_size}; }

std::vector<Answer> run(const Model& model, const std::vector<Request>& requests) {
  Engine engine(model, rules_of(model));
  return generate::run(engine, requests);
}

Request request_of(const std::vector<int32_t>& prompt, Until until, int64_t max_positions, uint64_t key = 1) {
  Request request;
  request.prompt = feed_of(prompt);
  request.until = until;
  request.max_positions = max_positions;
  request.key = key;
  request.picture.steps = 3;
  return request;
}

// Any options at all.
Request any_request(RandomStream& random, bool patches) {
  std::vector<int32_t> prompt = {kBos, static_cast<int32_t>(8 + random.below(32))};
  Request request =
      request_of({}, Until::kDocument, 1 + static_cast<int64_t>(random.below(120)), random.next());
  if (random.uniform() < 0.5) {
    const bool speech = !patches && random.uniform() < 0.5;
    prompt.push_back(speech ? kBosSpeech : kBoi);
    request.max_positions += speech ? 2 : 5 + test::kTinyCodesPerImage;
    request.until = random.uniform() < 0.3   ? Until::kSegment
                    : random.uniform() < 0.5 ? Until::kText
                                             : Until::kDocument;
  }
  request.prompt = feed_of(prompt);
  request.sampling.temperature = random.uniform() < 0.2 ? 0 : 3 * random.uniform();
  request.sampling.top_k = static_cast<int64_t>(random.below(5));
  request.sampling.top_p = random.uniform() < 0.5 ? 1 : random.uniform();
  request.sampling.repetition_penalty = random.uniform() < 0.5 ? 1 : 3;
  request.picture.guidance = random.uniform() < 0.6 ? 1 : 4 * random.uniform();
  return request;
}

// A picture as latents is one kPicture between its brackets.
void expect_whole_pictures(const std::vector<int32_t>& tokens) {
  for (size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] != kBoi) continue;
    ASSERT_LT(i + 2, tokens.size()) << "ends inside a picture";
    EXPECT_EQ(tokens[i + 1], kPicture);
    EXPECT_EQ(tokens[i + 2], kEoi);
  }
}

// Throws where a code or a special stands wrong or a segment is open at the end.
void expect_whole_codes(const std::vector<int32_t>& tokens, const models::ModelSpec& spec) {
  for (const test::CodeSegment& segment : test::split_segments(tokens, spec.vocabulary)) {
    const size_t length = segment.codes.size();
    EXPECT_TRUE(segment.modality == "image" ? length == test::kTinyCodesPerImage : length > 0);
  }
}

TEST(Engine, DocumentsKeepTheirFormWhateverIsDrawn) {
  at::set_num_threads(1);
  int64_t num_pictures = 0, num_sounds = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    RandomStream random(stream_key({seed}));
    const auto names = models::backbone_names();
    const bool patches = seed % 3 == 0;
    Model model = test::lively_model(test::generation_spec(names[seed % names.size()], patches), seed);
    std::vector<Request> requests;
    for (int i = 0; i < 4; ++i) requests.push_back(any_request(random, patches));
    const std::vector<Answer> answers = run(model, requests);
    for (size_t i = 0; i < answers.size(); ++i) {
      std::vector<int32_t> tokens = requests[i].prompt.tokens;
      const Feed& content = answers[i].content;
      tokens.insert(tokens.end(), content.tokens.begin(), content.tokens.end());
      if (patches) {
        expect_whole_pictures(tokens);
      } else {
        ASSERT_NO_THROW(expect_whole_codes(tokens, model->spec())) << "seed " << seed;
      }
      EXPECT_LE(positions_of(content, model->spec()), requests[i].max_positions);
      EXPECT_EQ(answers[i].log_probabilities.size() + content.pictures.size(), content.tokens.size());
      num_pictures += std::count(tokens.begin(), tokens.end(), kBoi);
      num_sounds += std::count(tokens.begin(), tokens.end(), kBosSpeech);
    }
  }
  EXPECT_GT(num_pictures, 100);
  EXPECT_GT(num_sounds, 50);
}

TEST(Engine, TheSameSeedGivesTheSameWhateverElseIsInTheBatch) {
  for (const bool patches : {true, false}) {
    Model model = test::lively_model(test::generation_spec("mixture_of_mamba", patches), 5);
    RandomStream random(9);
    std::vector<Request> requests;
    for (int i = 0; i < 6; ++i) requests.push_back(any_request(random, patches));
    // Equal prompts, whose state is shared: as drawn, and with a picture that is given.
    Request with_picture = request_of({kBos, kBoi}, Until::kDocument, 40, 77);
    for (int32_t code = 0; !patches && code < test::kTinyCodesPerImage; ++code)
      with_picture.prompt.append(40 + code);
    if (patches)
      with_picture.prompt.append(generate::Picture{torch::randn(model->spec().latents()->latent_shape), 0});
    with_picture.prompt.append(kEoi);
    with_picture.prompt.append(kBoi);
    requests.push_back(with_picture);
    for (const size_t i : {0, 2, 6, 6}) {
      requests.push_back(requests[i]);
      requests.back().key += requests.size();
    }
    const std::vector<Answer> together = run(model, requests);
    std::vector<Request> reversed(requests.rbegin(), requests.rend());
    const std::vector<Answer> backwards = run(model, reversed);
    for (size_t i = 0; i < requests.size(); ++i) {
      const Answer alone = run(model, {requests[i]})[0];
      for (const Answer& other : {together[i], backwards[requests.size() - 1 - i]}) {
        EXPECT_EQ(other.content.tokens, alone.content.tokens);
        EXPECT_EQ(other.log_probabilities, alone.log_probabilities);
        for (size_t p = 0; p < alone.content.pictures.size(); ++p)
          EXPECT_TRUE(
              torch::equal(other.content.pictures[p].latent_CHW, alone.content.pictures[p].latent_CHW));
      }
    }
    Request other_seed = requests[0];
    requests[0].sampling = {.temperature = 5};
    other_seed.sampling = requests[0].sampling;
    other_seed.key += 1;
    EXPECT_NE(run(model, {requests[0]})[0].content.tokens, run(model, {other_seed})[0].content.tokens);
  }
}

// The noise of a picture at the document's end, by one pass over the whole document.
at::Tensor whole_pass_noise(Model& model, const std::vector<int32_t>& before, const at::Tensor& latent_CHW,
                            int64_t timestep) {
  const models::ModelSpec& spec = model->spec();
  test::Sequence sequence;
  sequence.tokens.assign(before.begin(), before.end());
  sequence.modality.assign(before.size(), 0);
  sequence.tokens.insert(sequence.tokens.end(), static_cast<size_t>(spec.latents()->positions_per_item()), 0);
  sequence.modality.insert(sequence.modality.end(), static_cast<size_t>(spec.latents()->positions_per_item()),
                           1);
  sequence.offsets.push_back(static_cast<int64_t>(sequence.tokens.size()));
  sequence.patches_QP = models::patchify(latent_CHW.unsqueeze(0), spec.latents()->patch_size);
  sequence.timesteps_I = torch::tensor({timestep}, torch::kInt64);
  torch::NoGradGuard no_grad;
  const models::ModelInput input = test::to_input(sequence);
  return models::unpatchify(model->noise(model->forward(input), input), spec.latents()->latent_shape,
                            spec.latents()->patch_size)[0];
}

// The same picture without states: every step runs the whole document, and that without its text.
at::Tensor paint_by_hand(Model& model, const Request& request) {
  const models::CosineSchedule schedule(model->spec().diffusion_steps);
  const generate::DiffusionSampler sampler(schedule, model->spec().prediction, request.picture.steps,
                                           request.picture.method);
  const auto& shape = model->spec().latents()->latent_shape;
  at::Tensor latent = generate::picture_noise(request.key, 0, 0, shape);
  for (int64_t visit = 0; visit < sampler.num_steps(); ++visit) {
    const int64_t t = sampler.timestep(visit);
    const at::Tensor noise =
        generate::guide(whole_pass_noise(model, request.prompt.tokens, latent, t),
                        whole_pass_noise(model, {kBos, kBoi}, latent, t), request.picture.guidance);
    latent = sampler.step(visit, latent, noise, generate::picture_noise(request.key, 0, visit + 1, shape));
  }
  return latent;
}

class EveryBackbonePaints : public testing::TestWithParam<test::Variant> {};
INSTANTIATE_TEST_SUITE_P(Backbones, EveryBackbonePaints, testing::ValuesIn(test::all_variants()),
                         [](const auto& variant) { return variant.param.name(); });

TEST_P(EveryBackbonePaints, FromAStateIsWithTheWholeDocument) {
  Model model = test::initialised(test::generation_spec(GetParam(), true), 11);
  for (const auto& [method, guidance] : {std::pair{DiffusionMethod::kDdpm, 1.0},
                                         {DiffusionMethod::kDdim, 1.0},
                                         {DiffusionMethod::kDdpm, 2.5}}) {
    Request request = request_of({kBos, 9, 30, 17, kBoi}, Until::kSegment, 5, 77);
    request.picture = {6, method, guidance};
    const Answer answer = run(model, {request})[0];
    EXPECT_EQ(answer.content.tokens, (std::vector<int32_t>{kPicture, kEoi}));
    EXPECT_LE(
        (answer.content.pictures[0].latent_CHW - paint_by_hand(model, request)).abs().max().item<double>(),
        1e-3)
        << guidance;
  }
}

TEST(Painting, ReadsAVelocityWhereTheModelPredictsOne) {
  models::ModelSpec spec = test::generation_spec("mixture_of_mamba", true);
  Request request = request_of({kBos, 9, 30, 17, kBoi}, Until::kSegment, 5, 77);
  at::Tensor painted[2];
  for (const models::Prediction prediction : {models::Prediction::kNoise, models::Prediction::kVelocity}) {
    spec.prediction = prediction;
    Model model = test::initialised(spec, 11);
    request.picture = {6, DiffusionMethod::kDdpm, 2.5};
    at::Tensor& latent_CHW = painted[static_cast<size_t>(prediction)];
    latent_CHW = run(model, {request})[0].content.pictures[0].latent_CHW;
    EXPECT_LE((latent_CHW - paint_by_hand(model, request)).abs().max().item<double>(), 1e-3);
  }
  EXPECT_GT((painted[0] - painted[1]).abs().max().item<double>(), 0.1);
}

// Said of a modality by its name, schedule and prediction are as said of all; more visits than its schedule has steps are its steps.
TEST(Painting, ReadsASettingOfOneModality) {
  models::ModelSpec of_all = test::generation_spec("mixture_of_mamba", true), by_name = of_all;
  of_all.prediction = models::Prediction::kVelocity;
  of_all.diffusion_steps = 20;
  by_name.predictions = {{"image", models::Prediction::kVelocity}};
  by_name.schedules = {{"image", 20}};
  Request request = request_of({kBos, 9, 30, 17, kBoi}, Until::kSegment, 5, 77);
  request.picture.steps = 20;
  Model one = test::initialised(of_all, 11), other = test::initialised(by_name, 11);
  EXPECT_TRUE(torch::equal(run(one, {request})[0].content.pictures[0].latent_CHW,
                           run(other, {request})[0].content.pictures[0].latent_CHW));
  request.picture.steps = 21;
  EXPECT_THROW(run(other, {request}), UserError);
}

// What follows a picture follows from its clean latent at t = 0: the same as when it is given.
TEST_P(EveryBackbonePaints, AfterwardsItIsAGivenPicture) {
  Model model = test::lively_model(test::generation_spec(GetParam(), true), 13);
  Request request = request_of({kBos, 9, 30, kBoi}, Until::kDocument, 60, 3);
  request.picture.guidance = 2;
  request.sampling.temperature = 0;
  const Answer answer = run(model, {request})[0];
  ASSERT_GE(answer.content.tokens.size(), 3u);
  Request given = request;
  given.prompt.append(answer.content.pictures[0]);
  given.prompt.append(kEoi);
  given.max_positions -= 1 + model->spec().latents()->positions_per_item();
  const Answer rest = run(model, {given})[0];
  // Up to the next picture, whose noise is another: it is the second one here and the first one there.
  auto until_picture = [](const std::vector<int32_t>& tokens, size_t first) {
    return std::vector<int32_t>(
        tokens.begin() + static_cast<int64_t>(first),
        std::find(tokens.begin() + static_cast<int64_t>(first), tokens.end(), kPicture));
  };
  EXPECT_EQ(until_picture(answer.content.tokens, 2), until_picture(rest.content.tokens, 0));
  EXPECT_FALSE(rest.content.tokens.empty());
}

TEST(Guidance, OfOneIsNoGuidanceBitForBit) {
  Model model = test::initialised(test::generation_spec("mixture_of_mamba", true), 4);
  Request request = request_of({kBos, 12, kBoi}, Until::kSegment, 5, 8);
  request.picture = {10, DiffusionMethod::kDdpm, 1};
  const generate::DiffusionSampler sampler(models::CosineSchedule(1000), models::Prediction::kNoise, 10,
                                           DiffusionMethod::kDdpm);
  const auto& shape = model->spec().latents()->latent_shape;
  generate::DecodeState prefix = generate::initial_state(*model, 1);
  test::step(*model, prefix, {request.prompt});
  at::Tensor latent = generate::picture_noise(request.key, 0, 0, shape);
  for (int64_t visit = 0; visit < 10; ++visit) {
    generate::DecodeState state = prefix;
    Feed patches;
    patches.append(generate::Picture{latent, sampler.timestep(visit)});
    latent = sampler.step(visit, latent, test::step(*model, state, {patches}).predicted[0],
                          generate::picture_noise(request.key, 0, visit + 1, shape));
  }
  EXPECT_TRUE(torch::equal(run(model, {request})[0].content.pictures[0].latent_CHW, latent));
}

TEST(Guidance, OfCodesMovesTheirLogits) {
  Model model = test::lively_model(test::generation_spec("mamba", false), 6);
  Request request = request_of({kBos, 12, 20, kBoi}, Until::kSegment, 10, 8);
  request.sampling.temperature = 0;
  request.picture.guidance = 3;
  std::vector<int32_t> expected;
  generate::DecodeState state = generate::initial_state(*model, 2);
  std::vector<Feed> feeds = {request.prompt, feed_of({kBos, kBoi})};
  for (int64_t i = 0; i < test::kTinyCodesPerImage; ++i) {
    const at::Tensor logits_SV = test::step(*model, state, feeds).logits_SV;
    const at::Tensor codes = generate::guide(logits_SV[0], logits_SV[1], 3)
                                 .slice(0, test::kTinyTextIds, test::kTinyTextIds + test::kTinyImageCodes);
    expected.push_back(static_cast<int32_t>(test::kTinyTextIds + codes.argmax().item<int64_t>()));
    feeds = {feed_of({expected.back()}), feed_of({expected.back()})};
  }
  expected.push_back(kEoi);
  EXPECT_EQ(run(model, {request})[0].content.tokens, expected);
  request.picture.guidance = 1;
  EXPECT_NE(run(model, {request})[0].content.tokens, expected);
}

TEST(Engine, StopsWhereItWasAskedTo) {
  const models::ModelSpec spec = test::generation_spec("mamba", false);
  Model model = test::lively_model(spec, 21);
  int64_t texts_that_ended = 0;
  for (uint64_t key = 0; key < 40; ++key) {
    const Answer text = run(model, {request_of({kBos, 15}, Until::kText, 30, key)})[0];
    for (const int32_t token : text.content.tokens) EXPECT_TRUE(token == kEos || token >= 8);
    for (const int32_t token : text.content.tokens) EXPECT_LT(token, test::kTinyTextIds);
    EXPECT_TRUE(text.stop == Stop::kEnd || text.content.tokens.size() == 30);
    texts_that_ended += text.stop == Stop::kEnd;
    const Answer speech = run(model, {request_of({kBos, 15, kBosSpeech}, Until::kSegment, 12, key)})[0];
    EXPECT_EQ(speech.content.tokens.back(), kEosSpeech);
    EXPECT_EQ(std::count(speech.content.tokens.begin(), speech.content.tokens.end(), kEosSpeech), 1);
    EXPECT_EQ(speech.stop, Stop::kEnd);
  }
  EXPECT_GT(texts_that_ended, 0);
}

// After a picture a document may end; a description may not be empty.
TEST(Engine, TextThatIsNeededComesFirst) {
  const Model model = test::lively_model(test::generation_spec("mamba", false), 3);
  std::vector<int32_t> prompt = {kBos, kBoi};
  for (int32_t code = 0; code < test::kTinyCodesPerImage; ++code) prompt.push_back(40 + code);
  prompt.push_back(kEoi);
  size_t without_text = 0;
  for (const bool needed : {false, true}) {
    std::vector<Request> requests;
    for (uint64_t key = 0; key < 60; ++key) {
      requests.push_back(request_of(prompt, Until::kText, 4, key));
      requests.back().sampling.temperature = 100;
      requests.back().needs_text = needed;
    }
    for (const Answer& answer : run(model, requests)) {
      const bool text = !answer.content.empty() && answer.content.tokens[0] >= modality::special::kCount &&
                        answer.content.tokens[0] < test::kTinyTextIds;
      EXPECT_TRUE(text || !needed);
      without_text += !text && !needed;
    }
  }
  EXPECT_GT(without_text, 0u);
}

TEST(Engine, APlainLanguageModelStopsAtItsOwnToken) {
  models::ModelSpec spec = test::tiny_spec({});
  spec.modalities = {"text"};
  spec.vocabulary = {};
  Model model = test::lively_model(spec, 3);
  Request request = request_of({7, 40}, Until::kDocument, 50, 5);
  const std::vector<int32_t> all = run(model, {request})[0].content.tokens;
  EXPECT_EQ(all.size(), 50u);
  request.stop_tokens = {all[10]};
  const Answer stopped = run(model, {request})[0];
  EXPECT_EQ(stopped.stop, Stop::kEnd);
  EXPECT_EQ(stopped.content.tokens.back(), all[10]);
  EXPECT_LE(stopped.content.tokens.size(), 11u);
}

TEST(Engine, TokensAreToldAsTheyCome) {
  Model model = test::lively_model(test::generation_spec("mamba", true), 3);
  std::vector<std::vector<int32_t>> told(2);
  int64_t last_done = 0, last_total = 0;
  generate::RunEvents events;
  events.token = [&](size_t sequence, int32_t token) { told[sequence].push_back(token); };
  events.progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(done, last_done + 1);
    EXPECT_GE(total, done);
    last_done = done, last_total = total;
  };
  Engine engine(model, rules_of(model));
  const std::vector<Answer> answers = generate::run(
      engine,
      {request_of({kBos, 9}, Until::kDocument, 40, 1), request_of({kBos, kBoi}, Until::kDocument, 40, 2)},
      events);
  for (size_t i = 0; i < 2; ++i) EXPECT_EQ(told[i], answers[i].content.tokens);
  EXPECT_EQ(last_done, last_total);
}

void expect_equal(const Answer& found, const Answer& expected) {
  EXPECT_EQ(found.content.tokens, expected.content.tokens);
  EXPECT_EQ(found.log_probabilities, expected.log_probabilities);
  ASSERT_EQ(found.content.pictures.size(), expected.content.pictures.size());
  for (size_t p = 0; p < expected.content.pictures.size(); ++p)
    EXPECT_TRUE(torch::equal(found.content.pictures[p].latent_CHW, expected.content.pictures[p].latent_CHW));
}

// Requests come and go at any time, and each answer that is given is that of the request alone, bit for bit.
TEST(Engine, SequencesJoinAndLeaveWithoutATrace) {
  int64_t num_cancelled = 0, num_answered = 0;
  for (uint64_t seed = 0; seed < 24; ++seed) {
    const auto names = models::backbone_names();
    const bool patches = seed % 2 == 0;
    Model model = test::lively_model(test::generation_spec(names[seed % names.size()], patches), seed);
    RandomStream random(stream_key({seed}));
    Engine engine(model, rules_of(model));
    std::map<generate::SequenceId, Request> running;
    for (int step = 0; step < 60; ++step) {
      if (random.uniform() < 0.4) {
        const Request request = any_request(random, patches);
        auto id = std::make_shared<generate::SequenceId>();
        generate::Listener listener;
        listener.done = [&, id](const Answer& answer) {
          ++num_answered;
          expect_equal(answer, run(model, {running.at(*id)})[0]);
          running.erase(*id);
        };
        *id = engine.add(request, listener);
        running[*id] = request;
      }
      if (random.uniform() < 0.2 && !running.empty()) {
        const auto leaver = std::next(running.begin(), static_cast<int64_t>(random.below(running.size())));
        engine.cancel(leaver->first);
        running.erase(leaver);
        ++num_cancelled;
      }
      engine.step();
      EXPECT_EQ(engine.num_sequences(), running.size());
    }
    engine.cancel_all();
    EXPECT_FALSE(engine.step());
  }
  EXPECT_GT(num_cancelled, 50);
  EXPECT_GT(num_answered, 50);
}

// A prompt that begins as one that was read before goes on from its state, with the bits of reading it all.
TEST(Engine, WhatWasReadIsNotReadAgain) {
  for (const char* backbone : {"mixture_of_mamba", "ssm", "transformer"}) {
    for (const bool patches : {true, false}) {
      Model model = test::lively_model(test::generation_spec(backbone, patches), 7);
      Engine engine(model, rules_of(model));
      std::vector<int32_t> chat = {kBos};
      for (uint64_t turn = 0; turn < 4; ++turn) {
        for (int32_t i = 0; i < 300; ++i) chat.push_back(8 + (i * 7 + static_cast<int32_t>(turn)) % 32);
        Request request = request_of(chat, Until::kDocument, 40, turn);
        request.picture.guidance = turn % 2 == 0 ? 1 : 2;
        const int64_t before = engine.counts().reused_tokens;
        expect_equal(generate::run(engine, {request})[0], run(model, {request})[0]);
        const bool reuses = turn > 0 && std::string(backbone) != "transformer";
        EXPECT_EQ(
            engine.counts().reused_tokens - before >= static_cast<int64_t>(chat.size()) - 301 && turn > 0,
            reuses);
        // All of it again, and several at once: read by none.
        const int64_t read = engine.counts().read_tokens;
        Request other = request_of(chat, Until::kText, 3, turn + 100);
        const std::vector<Answer> again =
            generate::run(engine, {other, other, request_of(chat, Until::kText, 3, 5)});
        expect_equal(again[0], again[1]);
        expect_equal(again[0], run(model, {other})[0]);
        EXPECT_EQ(engine.counts().read_tokens, read);
        chat.push_back(9);
      }
    }
  }
}

// In pieces of 256, so that others are not kept waiting; the last 64 would not be worth a step.
TEST(Engine, LongPromptsAreReadInPieces) {
  const Model model = test::lively_model(test::generation_spec("mamba", false), 7);
  for (const auto& [length, steps] :
       std::map<size_t, int64_t>{{1, 1}, {256, 1}, {257, 1}, {320, 1}, {321, 2}, {576, 2}, {577, 3}}) {
    Engine engine(model, rules_of(model));
    std::vector<int32_t> prompt(length, 9);
    prompt.front() = kBos;
    generate::run(engine, {request_of(prompt, Until::kDocument, 1)});
    EXPECT_EQ(engine.counts().steps, steps) << length;
    EXPECT_EQ(engine.counts().read_tokens, static_cast<int64_t>(length));
  }
}

TEST(Engine, EqualPromptsThatComeTogetherAreReadOnce) {
  Model model = test::lively_model(test::generation_spec("mamba", false), 7);
  Engine engine(model, rules_of(model), {.cache_bytes = 0});
  const Request request = request_of({kBos, 9, 10, 11, 12}, Until::kText, 3);
  generate::run(engine, {request, request, request, request});
  EXPECT_EQ(engine.counts().read_tokens, 5);
  EXPECT_EQ(engine.counts().reused_tokens, 15);
}

// The least recently used state goes first.
TEST(PrefixCache, KeepsWhatIsUsedWithinItsBytes) {
  Model model = test::initialised(test::generation_spec("mamba", false));
  auto snapshot = [&](const std::vector<int32_t>& tokens) {
    return generate::Snapshot{feed_of(tokens), generate::initial_state(*model, 1), torch::zeros({8})};
  };
  const int64_t bytes = snapshot({1, 2, 3}).num_bytes();
  generate::PrefixCache cache(3 * bytes);
  for (const int32_t token : {1, 2, 3}) cache.put(snapshot({token, 2, 3}));
  ASSERT_NE(cache.find(feed_of({1, 2, 3, 4}), false), nullptr);
  EXPECT_EQ(cache.find(feed_of({1, 2, 3, 4}), true), nullptr);
  cache.put(snapshot({4, 2, 3}));
  EXPECT_EQ(cache.size(), 3u);
  EXPECT_EQ(cache.num_bytes(), 3 * bytes);
  EXPECT_EQ(cache.find(feed_of({2, 2, 3}), false), nullptr);
  EXPECT_NE(cache.find(feed_of({1, 2, 3}), true), nullptr);
  cache.put(snapshot({1}));
  EXPECT_EQ(cache.find(feed_of({1, 2, 3}), false)->prefix.tokens.size(), 3u);  // the longest
  EXPECT_EQ(cache.find(feed_of({1, 3}), false)->prefix.tokens.size(), 1u);
  EXPECT_EQ(cache.find(feed_of({}), false), nullptr);
}

TEST(Engine, WrongRequestsAreNamed) {
  Model model = test::initialised(test::generation_spec("mamba", false));
  auto error_of = [&](const Request& request) -> std::string {
    try {
      run(model, {request});
      return "";
    } catch (const UserError& error) {
      return error.what();
    }
  };
  auto expect = [&](const Request& request, const char* part) {
    EXPECT_NE(error_of(request).find(part), std::string::npos) << error_of(request);
  };
  const Request good = request_of({kBos, 9}, Until::kDocument, 3);
  EXPECT_EQ(error_of(good), "");
  expect(request_of({}, Until::kDocument, 3), "prompt");
  expect(request_of({kBos, 1000}, Until::kDocument, 3), "token 1000");
  expect(request_of({kBos, 45}, Until::kDocument, 3), "token 45");             // a code in text
  expect(request_of({kBos, kBoi, 9}, Until::kDocument, 30), "code of image");  // text in a picture
  expect(request_of({kBos, kBoi, 45}, Until::kDocument, 8), "--max-tokens");   // 8 codes and <eoi> are due
  EXPECT_EQ(error_of(request_of({kBos, kBoi, 45}, Until::kDocument, 9)), "");
  Request request = good;
  request.picture.steps = 0;
  expect(request, "--steps");
  request.picture.steps = 1001;
  expect(request, "--steps");
  request = good;
  request.picture.guidance = -1;
  expect(request, "--guidance");
  request = good;
  request.sampling.top_p = 2;
  expect(request, "--top-p");
  models::ModelSpec spec = test::generation_spec("moe_transformer", false);
  test::set(spec, "router", "expert_choice");
  Model looks_ahead = test::initialised(spec);
  EXPECT_THROW(run(looks_ahead, {good}), UserError);
}

}  // namespace
}  // namespace mom
