// What an import left out, and why. Every sample and file that an import meets becomes a document, or part of one, or is
// one entry here: nothing else happens to it.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "mom/base/error.h"

namespace mom::data {

// Faults stop an import unless bad samples are skipped; the others are only counted and named.
enum class Reason {
  // faults
  kUnusable,      // a sample's image, sound, text or JSON cannot be read, or a file it names is missing
  kIncomplete,    // an image or sound without a caption, or a caption without either
  kCollision,     // a name or key used twice
  kUnreadMedia,   // a sample's image, sound or video is of a kind that is not read
  kDamaged,       // a tar or compressed file ends early: what follows in it is unknown
  kNested,        // a tar or .jsonl inside a tar
  kDeadLink,      // a link to nothing
  kUnreadFolder,  // a folder that cannot be listed
  // not faults
  kOtherKind,   // a file of a kind that has no meaning here
  kExtraMedia,  // media of a kind that is not read, beside a sample that is complete without them
  kMetadata,    // a .json that holds no document and no caption in use
  kNotNamed,    // beside a .json with segments, and not named by it
  kHidden,      // names that begin with a dot, and __MACOSX
  kSpecial,     // devices, pipes and sockets
  kFolderLink,  // a link to a folder that is read anyway
  kCount
};

struct ReasonText {
  const char* id;     // in left_out.jsonl
  const char* words;  // "3 incomplete"
  bool is_fault;
};
const ReasonText& text_of(Reason reason);

struct LeftOut {
  Reason reason;
  std::string place;    // the file or sample, printable
  std::string message;  // of an error: the place, what is wrong, what to do
};

// One that is no fault: its message follows from the reason.
LeftOut left_out(Reason reason, std::string place);

// A bad sample, thrown while it is made into a document. Any other InputError there is Reason::kUnusable.
class SampleFault : public InputError {
 public:
  SampleFault(Reason reason, const std::string& message) : InputError(message), reason_(reason) {}
  Reason reason() const { return reason_; }

 private:
  Reason reason_;
};

// The import ends here: something was left out that may not be.
class ImportStopped : public InputError {
 public:
  using InputError::InputError;
};

class ImportAccount {
 public:
  void add(const LeftOut& item);
  uint64_t count(Reason reason) const { return entries_[static_cast<size_t>(reason)].count; }
  uint64_t num_faults() const;
  uint64_t num_all() const;
  // "2 incomplete (a.tar: sample 'b', ...), 1 hidden (pets/.x)"; empty when nothing was left out.
  std::string summary() const;

 private:
  struct Entry {
    uint64_t count = 0;
    std::string first;  // place
  };
  std::array<Entry, static_cast<size_t>(Reason::kCount)> entries_;
};

}  // namespace mom::data
