// What jobs are told when something is wrong with them, with the one who waits, or with the server.
#include <c10/util/Exception.h>
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "tests/serve/plain_model.h"

namespace mom::serve {
namespace {

class Jobs : public ::testing::Test {
 protected:
  void SetUp() override { write_plain_model(folder_.path(), test::tiny_tokenizer()); }
  std::unique_ptr<Worker> worker(const WorkerOptions& options = {}) const {
    auto loaded = loaded_worker(options, folder_.path());
    EXPECT_EQ(loaded->state(), Worker::State::kReady) << loaded->failure();
    return loaded;
  }
  // What the one job says whose error this is; whoever comes next is answered.
  static ApiError error_of(Worker& worker, Wish wish) {
    const auto listener = std::make_shared<Listener>(), next = std::make_shared<Listener>();
    EXPECT_TRUE(worker.submit(std::move(wish), listener));
    EXPECT_TRUE(worker.submit(short_wish(), next));
    EXPECT_FALSE(next->error());
    return listener->error().value_or(ApiError(200, "no error"));
  }
  const test::TempFolder folder_;
};

// The engine knows the command line's options; clients know fields.
TEST_F(Jobs, WhatIsWrongNamesTheField) {
  WorkerOptions options;
  options.max_prompt_tokens = 20;
  const auto loaded = worker(options);
  const auto wish = [](const auto& change) {
    Wish one = short_wish();
    change(one.asked);
    return one;
  };
  using generate::Asked;
  const std::vector<std::tuple<Wish, std::string, std::string>> wrong = {
      {wish([](Asked& asked) {
         asked.tokens = {2, 264};
       }),
       "prompt", "token 264: expected 0 to 263, found another"},
      {wish([](Asked& asked) { asked.tokens = {-1}; }), "prompt",
       "token -1: expected 0 to 263, found another"},
      {wish([](Asked& asked) { asked.steps = 0; }), "num_inference_steps",
       "num_inference_steps: expected 1 to 1000, the steps of the schedule, found 0"},
      {wish([](Asked& asked) { asked.guidance = 101; }), "guidance_scale",
       "guidance_scale: expected 0 to 100, found 101.000000"},
      {wish([](Asked& asked) { asked.max_tokens = 0; }), "max_tokens",
       "max_tokens: expected at least 1, which the prompt leaves open, found 0"},
      {wish([](Asked& asked) { asked.tokens = {}; }), "prompt",
       "prompt: expected at least one token, found none"}};
  for (const auto& [one, field, message] : wrong) {
    const ApiError error = error_of(*loaded, one);
    EXPECT_EQ(error.status, 400) << error.what();
    EXPECT_EQ(error.param, field);
    EXPECT_EQ(std::string(error.what()), message);
  }
  const ApiError error = error_of(*loaded, endless(21));
  EXPECT_EQ(error.status, 400);
  const ApiError long_prompt = error_of(*loaded, wish([](Asked& asked) { asked.tokens.assign(21, 7); }));
  EXPECT_EQ(long_prompt.code, "context_length_exceeded");
  EXPECT_EQ(long_prompt.param, "prompt");
  for (const std::string where : {"prompt", "input", "messages"}) {
    const ApiError long_text = error_of(*loaded, wish([&](Asked& asked) {
      asked.tokens = {};
      asked.parts = {{modality::kTextName, std::string(100, 'x'), where}};
    }));
    EXPECT_EQ(long_text.code, "context_length_exceeded");
    EXPECT_EQ(long_text.param, where);
  }
  EXPECT_EQ(std::string(long_prompt.what()), "the prompt has 21 tokens, more than 20");
  const int64_t asked = std::ssize(wrong) + 5;  // and as many that were answered
  wait_for("the counts", [&] {
    const WorkerStats stats = loaded->stats();
    return stats.failed == asked && stats.finished == asked;
  });
}

// Throws what it is given when it is told something.
struct Broken : Listener {
  std::function<void()> on_event, on_failure = [] {};
  void event(Event) override { on_event(); }
  void failed(const ApiError& error) override {
    std::exchange(on_failure, [] {})();
    Listener::failed(error);
  }
};

TEST_F(Jobs, AnErrorWhileTellingIsOfThatJobAlone) {
  const auto loaded = worker();
  const std::vector<std::tuple<std::function<void()>, int, std::string>> errors = {
      {[] { throw ApiError(413, "too much", "file"); }, 413, "too much"},
      {[] { throw UserError("--tokens: wrong"); }, 400, "prompt: wrong"},
      {[] { throw InputError("file: no sound"); }, 400, "file: no sound"},
      {[] { throw ResourceError("out of memory"); }, 503, "out of memory"},
      {[] { throw Error(ExitCode::kInternal, "a defect"); }, 500, "a defect"},
      {[] { throw std::runtime_error("secret"); }, 500, "the request could not be computed"},
      {[] { TORCH_CHECK(false, "secret"); }, 500, "the request could not be computed"}};
  for (const auto& [error, status, message] : errors) {
    const auto broken = std::make_shared<Broken>();
    broken->on_event = error;
    ASSERT_TRUE(loaded->submit_tokenize("the", false, broken));
    ASSERT_TRUE(broken->error()) << message;
    EXPECT_EQ(broken->error()->status, status);
    EXPECT_EQ(std::string(broken->error()->what()), message);
  }
  // An answer's tokens.
  for (const bool of_torch : {false, true}) {
    const auto broken = std::make_shared<Broken>();
    broken->on_event = [=] {
      TORCH_CHECK(!of_torch, "secret");
      throw std::runtime_error("secret");
    };
    ASSERT_TRUE(loaded->submit(short_wish(1), broken));
    ASSERT_TRUE(broken->error());
    EXPECT_EQ(broken->error()->status, 500);
    EXPECT_EQ(std::string(broken->error()->what()), "the answer could not be decoded");
  }
  EXPECT_EQ(error_of(*loaded, short_wish()).status, 200);
}

TEST_F(Jobs, AFieldIsNamedOnlyWhereThereIsOne) {
  const auto loaded = worker();
  for (const auto& [message, field] :
       {std::pair<std::string, std::string>{"messages[0].content[1]: no sound", "messages[0].content[1]"},
        {"/srv/models/large: expected a file, found none", ""},
        {"no model can do this", ""}}) {
    const auto broken = std::make_shared<Broken>();
    broken->on_event = [message] { throw InputError(message); };
    ASSERT_TRUE(loaded->submit_tokenize("the", false, broken));
    ASSERT_TRUE(broken->error());
    EXPECT_EQ(broken->error()->param, field);
  }
}

TEST_F(Jobs, AfterAnErrorNothingMoreIsTold) {
  const auto loaded = worker();
  const auto broken = std::make_shared<Broken>();
  const auto told = std::make_shared<std::atomic<int>>(0);
  broken->on_event = [told] {
    ++*told;
    throw std::runtime_error("secret");
  };
  ASSERT_TRUE(loaded->submit(short_wish(5), broken));
  ASSERT_TRUE(broken->error());
  EXPECT_EQ(error_of(*loaded, short_wish(20)).status, 200);  // the other has ended meanwhile
  EXPECT_EQ(*told, 1);
  EXPECT_FALSE(broken->usage());
}

TEST_F(Jobs, AStepThatFailsEndsWhatRunsAndNothingElse) {
  WorkerOptions options;
  options.parallel = 2;
  options.max_tokens = 1'000'000;
  const auto loaded = worker(options);
  const auto running = std::make_shared<Listener>(), later = std::make_shared<Listener>();
  const auto broken = std::make_shared<Broken>();
  broken->on_event = broken->on_failure = [] { throw std::runtime_error("secret"); };
  ASSERT_TRUE(loaded->submit(endless(3), running));
  wait_for("an answer", [&] { return running->events().size() > 2; });
  ASSERT_TRUE(loaded->submit(endless(3), broken));
  for (const auto& one : {running, std::shared_ptr<Listener>(broken)}) {
    ASSERT_TRUE(one->error());
    EXPECT_EQ(one->error()->status, 500);
    EXPECT_EQ(std::string(one->error()->what()), "the request could not be computed");
  }
  ASSERT_TRUE(loaded->submit(short_wish(), later));
  EXPECT_FALSE(later->error());
  EXPECT_EQ(later->usage()->completion_tokens, 3);
  wait_for("the counts", [&] { return loaded->stats().failed == 2 && loaded->stats().finished == 1; });
}

TEST_F(Jobs, AFullQueueTakesNoMore) {
  WorkerOptions options;
  options.parallel = 1;
  options.queue = 1;
  options.max_tokens = 1'000'000;
  const auto loaded = worker(options);
  const auto running = std::make_shared<Listener>(), waiting = std::make_shared<Listener>(),
             third = std::make_shared<Listener>();
  ASSERT_TRUE(loaded->submit(endless(3), running));
  wait_for("a slot", [&] { return loaded->stats().slots.size() == 1; });
  ASSERT_TRUE(loaded->submit(short_wish(), waiting));
  EXPECT_FALSE(loaded->submit(short_wish(), third));
  EXPECT_FALSE(loaded->submit_tokenize("a", false, third));
  EXPECT_FALSE(loaded->submit_detokenize({7}, third));
  WorkerStats stats;
  wait_for("a token", [&] { return (stats = loaded->stats()).slots.front().written_tokens > 0; });
  EXPECT_EQ(stats.slots.front().prompt_tokens, 3);
  EXPECT_EQ(stats.slots.front().read_tokens, 3);
  EXPECT_EQ(stats.accepted, 2);
  EXPECT_EQ(stats.refused, 3);
  EXPECT_EQ(stats.waiting, 1u);
  EXPECT_EQ(stats.jobs, 1u);
  running->left = true;  // the next one's turn
  EXPECT_FALSE(waiting->error());
  EXPECT_TRUE(loaded->submit(short_wish(), third));
  EXPECT_FALSE(third->error());
  EXPECT_EQ(loaded->stats().abandoned, 1);
}

TEST_F(Jobs, TheEndTellsWhoRunsAndWhoWaits) {
  WorkerOptions options;
  options.parallel = 1;
  options.max_tokens = 1'000'000;
  auto loaded = worker(options);
  const auto running = std::make_shared<Listener>(), waiting = std::make_shared<Listener>();
  ASSERT_TRUE(loaded->submit(endless(3), running));
  wait_for("an answer", [&] { return running->events().size() > 2; });
  ASSERT_TRUE(loaded->submit(short_wish(), waiting));
  loaded.reset();
  for (const auto& one : {running, waiting}) {
    ASSERT_TRUE(one->error());
    EXPECT_EQ(one->error()->status, 503);
    EXPECT_EQ(std::string(one->error()->what()), "the server is shutting down");
  }
}

TEST_F(Jobs, TextIsTokensAndTokensAreText) {
  const auto told = [](Worker& worker, const auto& submit) {
    const auto listener = std::make_shared<Listener>();
    EXPECT_TRUE(submit(worker, listener));
    EXPECT_FALSE(listener->error()) << listener->error()->what();
    return Json::parse(listener->events().at(0).data);
  };
  const auto tokens = [&](Worker& worker, const char* text, bool special) {
    return told(worker, [&](Worker& one, auto sink) { return one.submit_tokenize(text, special, sink); });
  };
  const auto plain = worker();
  EXPECT_EQ(tokens(*plain, "the a", false), Json::parse(R"({"tokens": [257, 32, 97]})"));
  EXPECT_EQ(tokens(*plain, "the a", true), Json::parse(R"({"tokens": [257, 32, 97]})"));  // begins with none
  EXPECT_EQ(tokens(*plain, "", true), Json::parse(R"({"tokens": []})"));
  // The special one, and one beyond the tokenizer's, are no text; half a character is replaced.
  EXPECT_EQ(told(*plain,
                 [](Worker& one, auto sink) {
                   return one.submit_detokenize({257, 259, 263, 258, 195}, sink);
                 }),
            Json({{"content", "the the\xef\xbf\xbd"}}));
  test::write_file(folder_ / "tokenizer.json", test::tiny_tokenizer_with_bos().dump());
  const auto begins = worker();
  EXPECT_EQ(tokens(*begins, "the", true), Json::parse(R"({"tokens": [259, 257]})"));
  EXPECT_EQ(tokens(*begins, "the", false), Json::parse(R"({"tokens": [257]})"));
}

// Who asks for the numbers as soon as there is an answer, or none.
struct Counting : Listener {
  void done(const Usage& usage) override {
    finished = asked->stats().finished;
    Listener::done(usage);
  }
  void failed(const ApiError& error) override {
    failures = asked->stats().failed;
    Listener::failed(error);
  }
  const Worker* asked = nullptr;
  int64_t finished = 0, failures = 0;
};

TEST_F(Jobs, WhoIsToldOfAnEndIsCounted) {
  const auto asked = worker();
  const auto answered = std::make_shared<Counting>(), task = std::make_shared<Counting>(),
             refused = std::make_shared<Counting>();
  for (const auto& one : {answered, task, refused}) one->asked = asked.get();
  ASSERT_TRUE(asked->submit(short_wish(), answered));
  EXPECT_TRUE(answered->usage());
  EXPECT_EQ(answered->finished, 1);
  ASSERT_TRUE(asked->submit_tokenize("the", false, task));
  EXPECT_TRUE(task->usage());
  EXPECT_EQ(task->finished, 2);
  Wish wrong = short_wish();
  wrong.asked.modality = "smell";
  ASSERT_TRUE(asked->submit(std::move(wrong), refused));
  EXPECT_TRUE(refused->error());
  EXPECT_EQ(refused->failures, 1);
}

// What an answer of 20 tokens is told as.
struct ToldAs {
  std::vector<Event> events;
  std::string text;
  std::vector<int32_t> ids;
};
ToldAs told_as(Worker& worker, std::chrono::milliseconds pace, const std::vector<std::string>& stop) {
  Wish wish = short_wish(20);
  wish.asked.sampling = {};  // any byte, so that there is text
  wish.pace = pace;
  wish.stop = stop;
  const auto listener = std::make_shared<Listener>();
  EXPECT_TRUE(worker.submit(std::move(wish), listener));
  EXPECT_TRUE(listener->usage());
  ToldAs told{listener->events(), "", {}};
  for (const Event& event : told.events) {
    told.text += event.data;
    for (const TokenText& token : event.tokens) told.ids.push_back(token.id);
  }
  return told;
}

TEST_F(Jobs, AtAPaceTheFirstTokenComesAtOnceAndTheOthersTogether) {
  const auto writer = worker();
  const ToldAs each = told_as(*writer, std::chrono::milliseconds(0), {});
  const size_t end = each.events.size() - 20;  // half a character, perhaps, and the end
  const ToldAs paced = told_as(*writer, std::chrono::hours(1), {});
  ASSERT_EQ(paced.events.size(), 2 + end);
  EXPECT_EQ(paced.events[0].tokens.size(), 1u);
  EXPECT_EQ(paced.ids.size(), 20u);
  EXPECT_EQ(paced.ids, each.ids);
  EXPECT_EQ(paced.text, each.text);
  EXPECT_EQ(paced.events.back().finish, Finish::kLength);
}

TEST_F(Jobs, AStopStringEndsAnAnswerAtOnceWhateverItsPace) {
  const auto writer = worker();
  const ToldAs all = told_as(*writer, std::chrono::milliseconds(0), {});
  const std::string stop = all.text.substr(all.text.size() / 2, 1);
  const ToldAs each = told_as(*writer, std::chrono::milliseconds(0), {stop}),
               paced = told_as(*writer, std::chrono::hours(1), {stop});
  EXPECT_LT(each.ids.size(), 20u);
  EXPECT_EQ(paced.ids, each.ids);
  EXPECT_EQ(paced.text, each.text);
  EXPECT_EQ(paced.events.back().finish, Finish::kStop);
}

TEST_F(Jobs, WithoutATokenizerThereAreIdsAlone) {
  std::filesystem::remove(folder_ / "tokenizer.json");
  const auto loaded = worker();
  const auto text = std::make_shared<Listener>(), prompt = std::make_shared<Listener>();
  ASSERT_TRUE(loaded->submit_tokenize("a", true, text));
  ASSERT_TRUE(text->error());
  EXPECT_EQ(text->error()->status, 400);
  EXPECT_EQ(text->error()->param, "content");
  EXPECT_EQ(std::string(text->error()->what()),
            "content: this model has no tokenizer; it takes and gives token ids alone");
  Wish wish = short_wish();
  wish.asked.tokens = {};
  wish.asked.parts = {{modality::kTextName, "a", "prompt"}};
  EXPECT_EQ(error_of(*loaded, wish).param, "prompt");
  wish.asked.parts = {{modality::kTextName, "a", "messages"}};
  EXPECT_EQ(error_of(*loaded, wish).param, "messages");
  ASSERT_TRUE(loaded->submit(short_wish(), prompt));
  EXPECT_FALSE(prompt->error());
  EXPECT_EQ(prompt->usage()->prompt_tokens, 2);
  ASSERT_EQ(prompt->events().size(), 4u);
  EXPECT_EQ(prompt->events().front().tokens.size(), 1u);
  EXPECT_EQ(prompt->events().front().data, "");
  EXPECT_EQ(prompt->events().back().kind, Event::Kind::kEnd);
  EXPECT_EQ(prompt->events().back().finish, Finish::kLength);
}

TEST_F(Jobs, AModelThatCannotBeLoadedTakesNone) {
  const auto failed = loaded_worker({}, folder_ / "nothing");
  EXPECT_EQ(failed->state(), Worker::State::kFailed);
  EXPECT_EQ(failed->failure_code(), static_cast<int>(ExitCode::kBadInput));
  EXPECT_NE(failed->failure().find("nothing: expected a model folder"), std::string::npos)
      << failed->failure();
  EXPECT_FALSE(failed->submit(short_wish(), std::make_shared<Listener>()));
  EXPECT_EQ(failed->stats().refused, 1);
  EXPECT_EQ(failed->stats().accepted, 0);
}

// Several models.

WorkerOptions run_named(const Path& run, const std::string& id = "") {
  WorkerOptions options;
  options.run = run;
  options.model_id = id;
  return options;
}

TEST(Models, AreNamedAsTheirFolders) {
  EXPECT_EQ(model_name(run_named("runs/dense")), "dense");
  EXPECT_EQ(model_name(run_named("runs/dense/")), "dense");
  EXPECT_EQ(model_name(run_named("runs/dense/.")), "dense");
  EXPECT_EQ(model_name(run_named("runs/other/../dense")), "dense");
  EXPECT_EQ(model_name(run_named(".")), std::filesystem::current_path().filename().string());
  EXPECT_EQ(model_name(run_named("runs/dense", "mine")), "mine");
}

TEST(Models, NamesAreOfOneModelEach) {
  for (const auto& [first, second, words] :
       {std::tuple{run_named("a/x"), run_named("b/x"),
                   "expected models of different names, found two called x"},
        {run_named("a", "x"), run_named("x"), "expected models of different names, found two called x"},
        {run_named("a", "x\n"), run_named("b"),
         "--model-id: expected a name in UTF-8 without control characters"},
        {run_named("a"), run_named("b", "\xff"), "--model-id: expected a name in UTF-8"}}) {
    try {
      const Workers workers({first, second});
      ADD_FAILURE() << words;
    } catch (const UserError& error) {
      EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
    }
  }
}

TEST(Models, OneThatFailsIsToldOf) {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder / "good");
  write_plain_model(folder / "good");
  const Workers workers({run_named(folder / "good"), run_named(folder / "bad")});
  wait_for("the failure", [&] { return workers.state() == Worker::State::kFailed; });
  EXPECT_NE(workers.failed().failure().find("bad"), std::string::npos) << workers.failed().failure();
  const Workers good({run_named(folder / "good", "mine"), run_named(folder / "good", "yours")});
  wait_for("both", [&] { return good.state() == Worker::State::kReady; });
  EXPECT_EQ(good.names(), "mine, yours");
  EXPECT_EQ(&good.named(std::nullopt), good.all().front().get());
  EXPECT_EQ(&good.named("yours"), good.all().back().get());
  try {
    good.named("theirs");
    ADD_FAILURE() << "no error";
  } catch (const ApiError& error) {
    EXPECT_EQ(error.status, 404);
    EXPECT_EQ(error.param, "model");
    EXPECT_EQ(std::string(error.what()), "model: expected one of mine, yours; found \"theirs\"");
  }
}

}  // namespace
}  // namespace mom::serve
