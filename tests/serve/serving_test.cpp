// What a server says before it serves.
#include <gtest/gtest.h>

#include "mom/base/error.h"
#include "mom/serve/serve.h"
#include "tests/serve/plain_model.h"

namespace mom::serve {
namespace {

// With which code and words it ends; it must not serve.
std::pair<ExitCode, std::string> end_of(ServeOptions options) {
  options.http.port = 0;
  try {
    serve(std::move(options));
  } catch (const Error& error) {
    return {error.code(), error.what()};
  }
  return {ExitCode::kOk, "served"};
}

class Serving : public ::testing::Test {
 protected:
  ServeOptions options_of(const std::vector<Path>& runs) const {
    ServeOptions options;
    options.runs = runs;
    return options;
  }
  Path folder(const char* name) const {
    std::filesystem::create_directories(folder_ / name);
    return folder_ / name;
  }
  const test::TempFolder folder_;
};

TEST_F(Serving, OthersMayReachItWithAKeyAlone) {
  const Path nothing = folder_ / "nothing";
  for (const char* address : {"0.0.0.0", "::", "192.0.2.1", "localhost", "", "::2", "1.127.0.0"}) {
    ServeOptions options = options_of({nothing});
    options.http.address = address;
    const auto [code, message] = end_of(options);
    EXPECT_EQ(code, ExitCode::kUsage) << address;
    EXPECT_EQ(message, "--host: expected 127.0.0.1 or ::1 without --api-key, found " + std::string(address) +
                           "; give a key that clients must know");
  }
  // Without a model it ends at once; that it got so far is what is asked here.
  for (const char* address : {"127.0.0.1", "127.1.2.3", "::1"}) {
    ServeOptions options = options_of({nothing});
    options.http.address = address;
    EXPECT_EQ(end_of(options).second.find("--api-key"), std::string::npos) << address;
  }
  ServeOptions local = options_of({nothing});
  local.http.address = "0.0.0.0";  // not used
  local.http.unix_socket = (folder_ / "socket").string();
  EXPECT_EQ(end_of(local).first, ExitCode::kBadInput);
  EXPECT_FALSE(std::filesystem::exists(local.http.unix_socket));
  ServeOptions open = options_of({nothing});
  open.http.address = "127.0.0.1";
  open.access.api_key = "secret";
  EXPECT_EQ(end_of(open).first, ExitCode::kBadInput);
}

TEST_F(Serving, AModelThatCannotBeLoadedEndsIt) {
  const Path empty = folder("empty"), files = folder("files"), good = folder("good");
  test::write_file(files / "notes.txt", "no run");
  write_plain_model(good);
  // Folders without folders in them are no folders of runs.
  for (const Path& run : {folder_ / "nothing", empty, files}) {
    const auto [code, message] = end_of(options_of({run}));
    EXPECT_EQ(code, ExitCode::kBadInput) << run;
    EXPECT_NE(message.find(run.string() + ": expected a model folder"), std::string::npos) << message;
  }
  const auto [code, message] = end_of(options_of({good, empty}));
  EXPECT_EQ(code, ExitCode::kBadInput);
  EXPECT_NE(message.find(empty.string() + ": expected a model folder"), std::string::npos) << message;
}

TEST_F(Serving, NamesAndFoldersMustFit) {
  folder("runs/a");
  const Path good = folder("good"), runs = folder("runs");
  const auto named_ids = [&](const std::vector<Path>& all, const std::vector<std::string>& ids) {
    ServeOptions options = options_of(all);
    options.model_ids = ids;
    return end_of(options);
  };
  for (const auto& [end, words] :
       {std::pair{named_ids({good}, {"a", "b"}), "--model-id: expected one for each of 1 models, found 2"},
        {named_ids({good, good}, {"a"}), "--model-id: expected one for each of 2 models, found 1"},
        {named_ids({good, good}, {}), "RUN: expected models of different names, found two called good"},
        {named_ids({good, runs}, {}), "which holds runs itself; serve such a folder alone"},
        {named_ids({runs}, {"a"}), "--model-id: expected a run, found "}}) {
    EXPECT_EQ(end.first, ExitCode::kUsage) << end.second;
    EXPECT_NE(end.second.find(words), std::string::npos) << end.second;
  }
}

}  // namespace
}  // namespace mom::serve
