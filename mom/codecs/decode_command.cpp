#include "mom/codecs/decode_command.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <thread>

#include "mom/base/error.h"
#include "mom/base/log.h"
#include "mom/base/process.h"
#include "mom/base/utf8.h"

namespace mom::codecs {
namespace {

// As a shell finds it.
Path find_program(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  const char* given = std::getenv("PATH");
  std::string_view folders = given ? given : "/usr/local/bin:/usr/bin:/bin";
  while (!folders.empty()) {
    const size_t end = std::min(folders.find(':'), folders.size());
    const Path candidate = Path(folders.substr(0, end)) / name;
    if (::access(candidate.c_str(), X_OK) == 0 && !std::filesystem::is_directory(candidate)) return candidate;
    folders.remove_prefix(std::min(end + 1, folders.size()));
  }
  throw InputError(
      {"decode command", "the program '" + name + "' in PATH", "none", "install it, or give its path"});
}

// The end of what it printed, in one line.
std::string last_words(const Path& log) {
  constexpr size_t kMost = 300;
  std::error_code ignored;
  if (!std::filesystem::exists(log, ignored)) return "";
  std::string text = read_file(log);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const size_t line = text.rfind('\n');
  if (line != std::string::npos) text.erase(0, line + 1);
  if (text.size() > kMost) text.erase(0, text.size() - kMost);
  return text.empty() ? "" : ": " + printable(text);
}

}  // namespace

std::vector<std::string> words_of_command(std::string_view command, const std::string& in,
                                          const std::string& out) {
  std::vector<std::string> words;
  bool open = false, has_in = false, has_out = false;
  char quote = 0;
  for (size_t at = 0; at < command.size(); ++at) {
    const char c = command[at];
    if (quote == 0 && (c == ' ' || c == '\t' || c == '\n')) {
      open = false;
      continue;
    }
    if (!open) words.emplace_back(), open = true;
    if (c == quote) {
      quote = 0;
    } else if (quote == 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (command.substr(at).starts_with("{in}")) {
      words.back() += in, at += 3, has_in = true;
    } else if (command.substr(at).starts_with("{out}")) {
      words.back() += out, at += 4, has_out = true;
    } else {
      words.back() += c;
    }
  }
  if (words.empty() || quote != 0 || !has_in || !has_out)
    throw UserError({"decode command", "a program and its words with {in} and {out}, quotes closed",
                     "'" + std::string(command) + "'", "such as 'python decode.py {in} {out}'"});
  return words;
}

void run_decode_command(std::string_view command, const Path& in, const Path& out, double limit_s) {
  std::vector<std::string> words = words_of_command(command, std::filesystem::absolute(in).string(),
                                                    std::filesystem::absolute(out).string());
  const Path program = find_program(words.front());
  words.erase(words.begin());
  const Path log = out.string() + ".log";
  log_info("runs the codec's decode command: " + std::string(command));
  Child child(program, words, {.variables = {}, .log = log, .out = {}});
  const auto start = std::chrono::steady_clock::now();
  std::optional<Ended> ended;
  while (!(ended = child.poll()) &&
         std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < limit_s)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  const std::string said = last_words(log);
  const std::string where = "decode command '" + std::string(command) + "'";
  if (!ended)
    throw InputError({where, "an end within " + std::to_string(static_cast<int>(limit_s)) + " s",
                      "none" + said, "give it longer with --decode-limit"});
  if (!ended->well()) throw InputError({where, "exit code 0", describe_end(*ended) + said, ""});
  if (!std::filesystem::is_regular_file(out))
    throw InputError({where, "the file " + out.string(), "none" + said, "it has to write to {out}"});
  std::error_code ignored;
  std::filesystem::remove(log, ignored);
}

}  // namespace mom::codecs
