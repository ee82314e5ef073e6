// One run of the import: where drafts go, and what happens to bad ones.
#pragma once

#include <functional>
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
  // Makes and stores one document. An InputError of either is one bad sample: thrown on, or counted and listed.
  void sample(const std::function<Draft()>& make);
  // A bad sample, or the damaged rest of a file.
  void bad(const std::string& message);
  ImportSummary finish();  // publishes

 private:
  void store(const Draft& draft);

  const ImportOptions& options_;
  DocumentWriter writer_;
  Progress progress_;
  std::string source_;
  ImportSummary summary_;
};

// What each kind of source does; `path` names it in errors.
void import_members(ImportRun& run, const Members& members, const Path& path);
void import_json_lines(ImportRun& run, const Path& file);
void import_text_file(ImportRun& run, const Path& file);

// Documents of a text: itself, or its paragraphs as KEY:1, KEY:2, ...
void import_text(ImportRun& run, const std::string& key, std::string text, const std::string& where);

// Files named by the .jsonl files of a folder, relative to it: their media are not samples of their own.
std::vector<std::string> media_named_by_json_lines(const Path& folder, const std::string& name);

}  // namespace mom::data
