// One run of the import: where drafts go, and what happens to what is left out.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>

#include "mom/base/progress.h"
#include "mom/data/import.h"
#include "mom/data/import_draft.h"
#include "mom/data/import_members.h"

namespace mom::data {

class ImportRun {
 public:
  explicit ImportRun(const ImportOptions& options);
  const ImportOptions& options() const { return options_; }
  // The source name of the drafts that follow.
  void set_source(std::string name) { source_ = std::move(name); }
  // Makes and stores a document, or none. An InputError of either leaves the sample out; `place` names it.
  void sample(const std::string& place, const std::function<std::optional<Draft>()>& make);
  // Throws ImportStopped where the options do not allow it.
  void leave_out(LeftOut item);
  void leave_out(const std::vector<LeftOut>& items);
  ImportSummary finish();  // publishes

 private:
  void store(const Draft& draft, const std::string& place);
  std::string split_of(const std::string& key) const;
  void report();

  const ImportOptions& options_;
  DocumentWriter writer_;
  Progress progress_;
  std::string source_;
  std::set<std::string> splits_;
  ImportSummary summary_;
};

// What each kind of source does. `prefix` comes before the keys of a tar or folder; `stem` is the FILE of FILE:LINE.
void import_tar(ImportRun& run, const Path& tar, const std::string& prefix);
void import_folder(ImportRun& run, const Path& folder, const std::string& prefix);
// Returns the media that lines name, as they name them.
std::set<std::string> import_json_lines(ImportRun& run, const Path& file, const std::string& stem);
void import_text_file(ImportRun& run, const Path& file, const std::string& key);

// The samples of a folder or tar. `used`: members that are media of other documents already.
void import_members(ImportRun& run, const Members& members, const std::string& prefix,
                    std::set<std::string> used);

// Documents of a text: itself, its paragraphs, or pieces of a long one, as KEY:1, KEY:2, ... `read` may throw InputError.
void import_text(ImportRun& run, const std::string& key, const std::string& place,
                 const std::function<std::string()>& read);

}  // namespace mom::data
