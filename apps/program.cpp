#include "apps/program.h"

#include <c10/util/Exception.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "mom/base/error.h"
#include "mom/base/files.h"
#include "mom/ops/shared_cores.h"

namespace mom::app {

void print_json(const OrderedJson& value) { std::cout << value.dump(2) << std::endl; }

namespace {

// A thread that cannot be started, a tensor that LibTorch's allocator has no room for, or a product that oneDNN has none for.
bool is_lack_of_memory(const std::exception& error) {
  if (const auto* system = dynamic_cast<const std::system_error*>(&error))
    return system->code() == std::errc::resource_unavailable_try_again ||
           system->code() == std::errc::not_enough_memory;
  const std::string_view text = error.what();
  return text == "could not create a primitive" ||
         text.find("can't allocate memory") != std::string_view::npos;
}

}  // namespace

int run_program(CLI::App& app, int argc, char** argv, const std::function<void()>& check) {
  const std::string name = app.get_name(), program = name.substr(0, name.find(' '));
  const auto fail = [&](ExitCode code, const char* message) {
    std::fprintf(stderr, "%s: error: %s\n", program.c_str(), message);
    return static_cast<int>(code);
  };
  const auto without_memory = [&](const char* what) {
    return fail(ExitCode::kNoResource, (std::string("out of memory: ") + what).c_str());
  };
  std::signal(SIGXFSZ, SIG_IGN);  // a file that may not grow further is an error of a write, which names it
  try {
    if (check) check();
    const ops::SharedCoresWatch watch;
    app.parse(argc, argv);
  } catch (const CLI::Success& success) {
    return app.exit(success);
  } catch (const CLI::ParseError& error) {
    return fail(ExitCode::kUsage, (std::string(error.what()) + "; see '" + name + " --help'").c_str());
  } catch (const Error& error) {
    if (!*error.what()) return static_cast<int>(error.code());
    return fail(error.code(), error.what());
  } catch (const std::filesystem::filesystem_error& error) {  // creating or removing folders
    return fail(ExitCode::kNoResource, error.what());
  } catch (const std::bad_alloc&) {
    return fail(ExitCode::kNoResource, "out of memory");
  } catch (const c10::Error& error) {
    if (is_lack_of_memory(error)) return without_memory(error.what_without_backtrace());
    return fail(ExitCode::kInternal, error.what_without_backtrace());
  } catch (const std::invalid_argument& error) {  // of the kernels: MOM_CPU_CAPABILITY
    return fail(ExitCode::kUsage, error.what());
  } catch (const std::exception& error) {
    if (is_lack_of_memory(error)) return without_memory(error.what());
    return fail(ExitCode::kInternal, error.what());
  }
  return 0;
}

void become(const std::string& program, const std::vector<std::string>& arguments) {
  const Path path = std::filesystem::read_symlink("/proc/self/exe").parent_path() / program;
  std::string name = path.string();
  std::vector<std::string> words = arguments;
  std::vector<char*> argv = {name.data()};
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(path.c_str(), argv.data());
  throw UserError({path.string(), "a program to start", std::strerror(errno), "build it: `make build`"});
}

}  // namespace mom::app
