// Damage to what the program has written: bits are flipped and files are cut off, one place at a time, and the folder is read
// as the program reads it. It must be refused with an error that names the damaged file, or be read as if nothing
// had happened. Anything else is a defect: another error, another result, memory or time that the file's size does not explain.
//
// `summary` counts by artefact and region; MOM_DAMAGE_SUMMARY names a file that it is appended to, as a line of JSON.
#pragma once

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <string>

#include "mom/base/error.h"
#include "mom/base/json.h"
#include "mom/base/random.h"
#include "mom/base/stopwatch.h"

namespace mom::test {

// How much of it: all bits of manifests and headers, and many of payloads; or about so many of each.
struct DamageAmount {
  uint64_t payload_bits = 0, bits = UINT64_MAX, cuts = UINT64_MAX;
};
inline constexpr DamageAmount kFewDamages = {.payload_bits = 60, .bits = 60, .cuts = 20};
inline constexpr DamageAmount kAllDamages = {.payload_bits = 10'000};

class Damage {
 public:
  // `read`: all that the program takes from the folder, in words or bytes; throws what its readers throw.
  Damage(std::string artefact, Path folder, std::function<std::string()> read)
      : artefact_(std::move(artefact)), folder_(std::move(folder)), read_(std::move(read)), whole_(read_()) {}

  // All bits of bytes [begin, end) of a file, or about `most` of them, evenly.
  void flip(const std::string& file, const std::string& region, uint64_t begin, uint64_t end, uint64_t most) {
    const File damaged(folder_ / file);
    const uint64_t bits = 8 * (std::min<uint64_t>(end, damaged.bytes.size()) - begin);
    const uint64_t step = most >= bits ? 1 : (bits / most) | 1;
    for (uint64_t bit = 0; bit < bits; bit += step) flip_bit(damaged, region, 8 * begin + bit);
  }
  // Bits drawn from bytes [begin, end).
  void flip_some(const std::string& file, const std::string& region, uint64_t begin, uint64_t end,
                 uint64_t count) {
    const File damaged(folder_ / file);
    end = std::min<uint64_t>(end, damaged.bytes.size());
    RandomStream random(stream_key({fnv1a64(artefact_), fnv1a64(file), begin}));
    for (uint64_t i = 0; i < count && begin < end; ++i)
      flip_bit(damaged, region, 8 * begin + random.below(8 * (end - begin)));
  }
  // Leaves the first bytes: every number of them, or about `most` numbers, evenly.
  void cut(const std::string& file, const std::string& region, uint64_t most) {
    const File damaged(folder_ / file);
    const uint64_t size = damaged.bytes.size(), step = most >= size ? 1 : size / most;
    for (uint64_t left = 0; left < size; left += step) {
      std::filesystem::resize_file(damaged.path, left);
      judge(damaged, region, "cut to " + std::to_string(left) + " of " + std::to_string(size) + " bytes");
      damaged.put_back();
    }
  }
  // A manifest or header of JSON: bits and cuts.
  void manifest(const std::string& file, const DamageAmount& amount) {
    flip(file, file, 0, UINT64_MAX, amount.bits);
    cut(file, file + ", cut", amount.cuts);
  }
  // A file of tensors: all bits of its header, some of the rest.
  void tensors(const std::string& file, const DamageAmount& amount, uint64_t payload_bits) {
    const std::string bytes = read_file(folder_ / file);
    uint64_t header = 0;
    std::memcpy(&header, bytes.data(), sizeof header);
    header += sizeof header;
    flip(file, file + ", header", 0, header, amount.bits);
    flip_some(file, file + ", payload", header, UINT64_MAX, payload_bits);
    cut(file, file + ", cut", std::min<uint64_t>(amount.cuts, 2'000));
  }

  OrderedJson summary() const {
    OrderedJson regions = OrderedJson::object();
    for (const auto& [region, tally] : tallies_)
      regions[region] = {{"trials", tally.found + tally.harmless + tally.wrong},
                         {"found", tally.found},
                         {"harmless", tally.harmless},
                         {"wrong", tally.wrong}};
    return {{"artefact", artefact_}, {"regions", regions}};
  }
  // Shows the summary, and keeps it where that is asked for.
  void finish() const {
    const std::string line = summary().dump();
    std::cout << line << std::endl;
    if (const char* const file = std::getenv("MOM_DAMAGE_SUMMARY"))
      std::ofstream(file, std::ios::app) << line << "\n";
  }

 private:
  static constexpr double kSlowSeconds = 20;  // a read takes milliseconds
  static constexpr int kShown = 10;           // defects of a region that are printed
  struct Tally {
    uint64_t found = 0, harmless = 0, wrong = 0;
  };
  struct File {
    explicit File(const Path& of) : path(of), bytes(read_file(of)) {}
    void put_back() const {
      std::ofstream(path, std::ios::binary | std::ios::trunc)
          .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    }
    void put(uint64_t at, char byte) const {
      std::fstream file(path, std::ios::binary | std::ios::in | std::ios::out);
      file.seekp(static_cast<std::streamoff>(at));
      file.put(byte);
    }
    Path path;
    std::string bytes;
  };

  void flip_bit(const File& file, const std::string& region, uint64_t bit) {
    const uint64_t at = bit / 8;
    file.put(at, static_cast<char>(file.bytes[at] ^ (1 << bit % 8)));
    judge(file, region, "byte " + std::to_string(at) + ", bit " + std::to_string(bit % 8));
    file.put(at, file.bytes[at]);
  }

  void judge(const File& file, const std::string& region, const std::string& damage) {
    Tally& tally = tallies_[region];
    const auto start = std::chrono::steady_clock::now();
    std::string wrong;
    try {
      if (read_() == whole_)
        ++tally.harmless;
      else
        wrong = "another result without an error";
    } catch (const Error& error) {
      const std::string message = error.what();
      if (message.find(file.path.filename().string()) == std::string::npos)
        wrong = "the error does not name the file: " + message;
      else if (error.code() != ExitCode::kBadInput)
        wrong = "exit code " + std::to_string(static_cast<int>(error.code())) + ": " + message;
      else
        ++tally.found;
    } catch (const std::exception& error) {
      wrong = std::string("not an error of ours: ") + error.what();
    }
    if (wrong.empty() && seconds_since(start) > kSlowSeconds)
      wrong = "it took " + std::to_string(seconds_since(start)) + " s";
    if (wrong.empty()) return;
    if (++tally.wrong <= kShown)
      ADD_FAILURE() << artefact_ << ", " << file.path.filename().string() << ", " << damage << ": " << wrong;
  }

  std::string artefact_;
  Path folder_;
  std::function<std::string()> read_;
  std::string whole_;
  std::map<std::string, Tally> tallies_;
};

// Memory that a damaged size asks for is refused by the system, and so becomes a defect that is seen.
class MemoryLimit {
 public:
  explicit MemoryLimit(uint64_t more_bytes) {
    ::getrlimit(RLIMIT_AS, &before_);
    uint64_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    rlimit limit = before_;
    limit.rlim_cur = pages * 4096 + more_bytes;
    ::setrlimit(RLIMIT_AS, &limit);
  }
  ~MemoryLimit() { ::setrlimit(RLIMIT_AS, &before_); }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;

 private:
  rlimit before_{};
};

}  // namespace mom::test
