// Tars: what is in one, links resolved.
#include "mom/base/error.h"
#include "mom/base/progress.h"
#include "mom/base/utf8.h"
#include "mom/data/import_run.h"
#include "mom/formats/tar.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxUnpackedBytes = uint64_t{4} << 30;
constexpr int kMaxLinks = 16;  // from one link to the next

using formats::TarEntry;

// Where the content of a member is: in the file, or unpacked in memory when the tar is compressed or the file sparse.
struct TarContent {
  uint64_t offset = 0, num_bytes = 0;
  std::string unpacked;
};

std::string normal(const Path& path) {
  std::string name = path.lexically_normal().generic_string();
  if (name.ends_with('/')) name.pop_back();
  return name;
}

std::string normal_name(std::string name) {
  while (name.starts_with("./")) name.erase(0, 2);
  return name;
}

class TarMembers : public Members {
 public:
  explicit TarMembers(const Path& tar) : path_(tar) {
    std::string damage;
    try {
      formats::read_tar(tar, [&](TarEntry&& entry) { return add(std::move(entry)), true; });
    } catch (const InputError& error) {
      damage = error.what();
    }
    for (const std::string& name : order_) name_member(name);
    if (!damage.empty()) leave_out({Reason::kDamaged, place(), damage});
    if (names().empty() && left_out().empty())
      leave_out({Reason::kUnusable, place(),
                 format_error({place(), "files in the tar", "none",
                               "give a tar with samples, see 'mom data import --help'"})});
    if (!contents_.empty()) file_ = std::make_unique<MappedFile>(tar);
  }

  KeyRule key_rule() const override { return KeyRule::kFirstDot; }
  std::string read(const std::string& name, uint64_t max_bytes) const override {
    const TarContent& content = contents_.at(content_of_names_.at(position_of(name)));
    if (content.num_bytes > max_bytes)
      throw InputError({place(name), "at most " + std::to_string(max_bytes) + " bytes", "more", ""});
    if (content.offset == 0) return content.unpacked;
    auto bytes = file_->bytes().subspan(content.offset, content.num_bytes);
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
  }
  std::string place() const override { return printable(path_.string()); }
  std::string place(std::string_view name) const override { return place() + ": " + printable(name); }

 private:
  struct Found {
    TarEntry::Kind kind;
    std::string link;
    size_t content = 0;
  };

  void add(TarEntry&& entry) {
    const std::string name = normal_name(std::move(entry.name));
    Found found{entry.kind, normal_name(std::move(entry.link)), contents_.size()};
    if (found.kind == TarEntry::Kind::kSymbolicLink)
      found.link = normal(Path(name).parent_path() / found.link);
    if (found.kind == TarEntry::Kind::kFile) keep(std::move(entry));
    if (found_.emplace(name, std::move(found)).second) return order_.push_back(name);
    leave_out({Reason::kCollision, place(name),
               format_error({place(name), "a name used once in the tar", "a second member",
                             "make the tar anew, or give its members names of their own"})});
  }

  void keep(TarEntry&& entry) {
    TarContent content{entry.data_offset, entry.content.size(), {}};
    if (entry.data_offset == 0) {
      content.unpacked = std::move(entry.content);
      unpacked_bytes_ += content.num_bytes;
      if (unpacked_bytes_ > kMaxUnpackedBytes)
        throw ResourceError(
            format_error({place(), "at most " + format_bytes(kMaxUnpackedBytes) + " in a compressed tar",
                          "more", "unpack it first, or split it"}));
    }
    contents_.push_back(std::move(content));
  }

  // The file that a chain of links ends at.
  const Found* target_of(const Found* found) const {
    for (int i = 0; i < kMaxLinks; ++i) {
      if (found->kind == TarEntry::Kind::kFile) return found;
      const auto next = found_.find(found->link);
      if (found->link.empty() || next == found_.end()) return nullptr;
      found = &next->second;
    }
    return nullptr;
  }

  void name_member(const std::string& name) {
    const Found& found = found_.at(name);
    if (is_hidden(name)) return leave_out(data::left_out(Reason::kHidden, place(name)));
    if (found.kind == TarEntry::Kind::kSpecial)
      return leave_out(data::left_out(Reason::kSpecial, place(name)));
    if (const Found* target = target_of(&found)) {
      content_of_names_.push_back(target->content);
      return add_name(name);
    }
    const auto below = found_.lower_bound(found.link + "/");
    if (below != found_.end() && below->first.starts_with(found.link + "/"))
      return leave_out(data::left_out(Reason::kFolderLink, place(name)));
    leave_out(
        {Reason::kDeadLink, place(name),
         format_error({place(name), "a link to a file in the tar", "one to '" + printable(found.link) + "'",
                       "make the tar with 'tar --dereference', or remove the link"})});
  }

  Path path_;
  std::unique_ptr<MappedFile> file_;
  std::map<std::string, Found, std::less<>> found_;
  std::vector<std::string> order_;
  std::vector<TarContent> contents_;
  std::vector<size_t> content_of_names_;
  uint64_t unpacked_bytes_ = 0;
};

}  // namespace

std::unique_ptr<Members> tar_members(const Path& tar) { return std::make_unique<TarMembers>(tar); }

void import_tar(ImportRun& run, const Path& tar, const std::string& prefix) {
  const auto members = tar_members(tar);
  run.leave_out(members->left_out());
  import_members(run, *members, prefix, {});
}

}  // namespace mom::data
