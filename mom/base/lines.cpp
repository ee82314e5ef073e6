#include "mom/base/lines.h"

#include <utility>

namespace mom {

LineSplitter::LineSplitter(size_t max_bytes, Visit visit, std::function<void(uint64_t)> on_long)
    : max_bytes_(max_bytes), visit_(std::move(visit)), on_long_(std::move(on_long)) {}

void LineSplitter::add(std::string_view block) {
  for (size_t newline; (newline = block.find('\n')) != std::string_view::npos;) {
    end_line(block.substr(0, newline));
    block.remove_prefix(newline + 1);
  }
  if (fits(block)) torn_.append(block);
}

void LineSplitter::finish() {
  if (!torn_.empty() || is_long_) end_line({});
}

bool LineSplitter::fits(std::string_view rest) {
  if (is_long_ || torn_.size() + rest.size() <= max_bytes_) return !is_long_;
  is_long_ = true;
  torn_ = {};
  on_long_(line_number_ + 1);
  return false;
}

void LineSplitter::end_line(std::string_view rest) {
  const bool whole = fits(rest);
  is_long_ = false;
  ++line_number_;
  if (!whole) return;
  if (!torn_.empty()) rest = torn_.append(rest);
  if (!rest.empty() && rest.back() == '\r') rest.remove_suffix(1);
  visit_(rest, line_number_);
  torn_.clear();
}

}  // namespace mom
