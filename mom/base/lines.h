// Lines of a text that comes in blocks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace mom {

// Cuts blocks of a text into its lines, without "\n" and "\r"; numbers start at 1. Of a line over `max_bytes` only the
// number is given, to `on_long`.
class LineSplitter {
 public:
  using Visit = std::function<void(std::string_view line, uint64_t line_number)>;
  LineSplitter(size_t max_bytes, Visit visit, std::function<void(uint64_t line_number)> on_long);
  void add(std::string_view block);
  void finish();  // the last line may lack its newline

 private:
  void end_line(std::string_view rest);
  bool fits(std::string_view rest);

  size_t max_bytes_;
  Visit visit_;
  std::function<void(uint64_t)> on_long_;
  std::string torn_;  // the part of a line that the previous block ended with
  bool is_long_ = false;
  uint64_t line_number_ = 0;
};

}  // namespace mom
