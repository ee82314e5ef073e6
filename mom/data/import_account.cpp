#include "mom/data/import_account.h"

namespace mom::data {
namespace {

constexpr size_t kNumReasons = static_cast<size_t>(Reason::kCount);

constexpr std::array<ReasonText, kNumReasons> kTexts = {{
    {"unusable", "that cannot be used", true},
    {"incomplete", "incomplete", true},
    {"collision", "with a name or key used twice", true},
    {"unread_media", "with media of a kind that is not read", true},
    {"damaged", "rest of a damaged file", true},
    {"nested", "tar or .jsonl inside a tar", true},
    {"dead_link", "link to nothing", true},
    {"unread_folder", "folder that cannot be listed", true},
    {"other_kind", "of another kind", false},
    {"extra_media", "of a media kind that is not read, beside a sample", false},
    {"metadata", ".json with metadata", false},
    {"not_named", "not named by the .json beside it", false},
    {"hidden", "hidden", false},
    {"special", "device, pipe or socket", false},
    {"folder_link", "link to a folder that is read anyway", false},
}};

}  // namespace

const ReasonText& text_of(Reason reason) { return kTexts[static_cast<size_t>(reason)]; }

LeftOut left_out(Reason reason, std::string place) {
  std::string message = place + ": left out: " + text_of(reason).words;
  return {reason, std::move(place), std::move(message)};
}

void ImportAccount::add(const LeftOut& item) {
  Entry& entry = entries_[static_cast<size_t>(item.reason)];
  if (entry.count++ == 0) entry.first = item.place;
}

uint64_t ImportAccount::num_faults() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < kNumReasons; ++i)
    if (kTexts[i].is_fault) sum += entries_[i].count;
  return sum;
}

uint64_t ImportAccount::num_all() const {
  uint64_t sum = 0;
  for (const Entry& entry : entries_) sum += entry.count;
  return sum;
}

std::string ImportAccount::summary() const {
  std::string text;
  for (size_t i = 0; i < kNumReasons; ++i) {
    const auto& [count, first] = entries_[i];
    if (count == 0) continue;
    text += (text.empty() ? "" : ", ") + std::to_string(count) + " " + kTexts[i].words + " (" + first +
            (count > 1 ? ", ...)" : ")");
  }
  return text;
}

}  // namespace mom::data
