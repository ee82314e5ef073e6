#include "mom/data/import_members.h"

#include <algorithm>

#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/formats/tar.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxUnpackedBytes = uint64_t{4} << 30;

bool is_hidden(std::string_view name) {
  return name.starts_with('.') || name.find("/.") != std::string_view::npos || name.starts_with("__MACOSX/");
}

class FolderMembers : public Members {
 public:
  explicit FolderMembers(const Path& folder) : folder_(folder) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      if (!entry.is_regular_file()) continue;
      std::string name = entry.path().lexically_relative(folder).generic_string();
      if (!is_hidden(name)) found.push_back(std::move(name));
    }
    std::sort(found.begin(), found.end());
    for (std::string& name : found) add_name(std::move(name));
  }
  std::string read(const std::string& name) const override { return read_file(folder_ / name); }
  std::string place(std::string_view name) const override { return (folder_ / name).string(); }

 private:
  Path folder_;
};

// Where the content of a member is: in the file, or unpacked in memory when the tar is compressed.
struct TarContent {
  uint64_t offset = 0, num_bytes = 0;
  std::string unpacked;
};

class TarMembers : public Members {
 public:
  TarMembers(const Path& tar, const std::function<void(const std::string&)>& on_damage) : path_(tar) {
    try {
      formats::read_tar(tar, [&](formats::TarEntry&& entry) {
        add(std::move(entry), on_damage);
        return true;
      });
    } catch (const InputError& error) {
      on_damage(error.what());
    }
    if (!names().empty()) file_ = std::make_unique<MappedFile>(tar);
  }

  std::string read(const std::string& name) const override {
    const TarContent& content = contents_.at(position_of(name));
    if (content.offset == 0) return content.unpacked;
    auto bytes = file_->bytes().subspan(content.offset, content.num_bytes);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string place(std::string_view name) const override {
    return path_.string() + ": " + std::string(name);
  }

 private:
  void add(formats::TarEntry&& entry, const std::function<void(const std::string&)>& on_damage) {
    if (entry.name.starts_with("./")) entry.name.erase(0, 2);
    if (is_hidden(entry.name)) return;
    if (contains(entry.name))
      return on_damage(
          format_error({place(entry.name), "a name used once in the tar", "a second member", ""}));
    TarContent content{entry.data_offset, entry.content.size(), {}};
    if (entry.data_offset == 0) {
      content.unpacked = std::move(entry.content);
      unpacked_bytes_ += content.num_bytes;
      if (unpacked_bytes_ > kMaxUnpackedBytes)
        throw ResourceError(format_error(
            {path_.string(), "at most " + format_bytes(kMaxUnpackedBytes) + " in a compressed tar", "more",
             "unpack it first, or split it"}));
    }
    contents_.push_back(std::move(content));
    add_name(std::move(entry.name));
  }

  Path path_;
  std::unique_ptr<MappedFile> file_;
  std::vector<TarContent> contents_;
  uint64_t unpacked_bytes_ = 0;
};

}  // namespace

void Members::add_name(std::string name) {
  positions_.emplace(name, names_.size());
  names_.push_back(std::move(name));
}

size_t Members::position_of(std::string_view name) const {
  auto found = positions_.find(name);
  return found == positions_.end() ? names_.size() : found->second;
}

std::unique_ptr<Members> folder_members(const Path& folder) {
  return std::make_unique<FolderMembers>(folder);
}

std::unique_ptr<Members> tar_members(const Path& tar,
                                     const std::function<void(const std::string&)>& on_damage) {
  return std::make_unique<TarMembers>(tar, on_damage);
}

bool is_tar_name(std::string_view name) {
  for (std::string_view ending : {".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst"})
    if (name.ends_with(ending)) return true;
  return false;
}

std::pair<std::string, std::string> split_name(std::string_view name) {
  size_t slash = name.rfind('/');
  size_t dot = name.find('.', slash == std::string_view::npos ? 0 : slash + 1);
  if (dot == std::string_view::npos) return {std::string(name), ""};
  std::string rest(name.substr(dot + 1));
  std::transform(rest.begin(), rest.end(), rest.begin(),
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return {std::string(name.substr(0, dot)), rest};
}

}  // namespace mom::data
