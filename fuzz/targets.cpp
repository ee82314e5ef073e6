#include "fuzz/targets.h"

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>

#include "mom/base/error.h"
#include "mom/serve/api_error.h"

namespace mom::fuzz {

const Target& find_target(std::span<const Target> among, std::string_view name) {
  for (const Target& target : among)
    if (target.name == name) return target;
  throw std::out_of_range("no target '" + std::string(name) + "'");
}

std::string run(const Target& target, std::string_view bytes) {
  try {
    target.read(bytes);
    return "";
  } catch (const Error& error) {
    if (error.code() == ExitCode::kInternal || *error.what() == '\0') throw;
    return error.what();
  } catch (const serve::ApiError& error) {
    if (error.status < 400 || error.status >= 500 || *error.what() == '\0') throw;
    return error.what();
  }
}

MemoryFile::MemoryFile(std::string_view bytes, std::string_view extension)
    : descriptor_(::memfd_create("mom-fuzz", MFD_CLOEXEC)) {
  size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t count = ::write(descriptor_, bytes.data() + written, bytes.size() - written);
    if (count <= 0) throw std::runtime_error("cannot write to memory");
    written += static_cast<size_t>(count);
  }
  path_ = "/proc/self/fd/" + std::to_string(descriptor_);
  if (extension.empty()) return;
  const Path named = std::filesystem::temp_directory_path() /
                     ("mom-fuzz-" + std::to_string(::getpid()) + std::string(extension));
  std::filesystem::remove(named);
  std::filesystem::create_symlink(path_, named);
  path_ = named;
}

MemoryFile::~MemoryFile() {
  ::close(descriptor_);
  std::error_code ignored;
  if (path_.native().rfind("/proc/", 0) != 0) std::filesystem::remove(path_, ignored);
}

std::string written(const std::function<void(const Path&)>& write) {
  const Path path =
      std::filesystem::temp_directory_path() / ("mom-fuzz-" + std::to_string(::getpid()) + ".seed");
  write(path);
  std::string bytes = read_file(path);
  std::filesystem::remove(path);
  return bytes;
}

std::string source_file(const char* name) {
  const char* const root = std::getenv("MOM_SOURCE");
  return read_file(Path(root ? root : ".") / name);
}

void expect(bool holds, const char* what) {
  if (!holds) throw std::logic_error(what);
}

}  // namespace mom::fuzz
