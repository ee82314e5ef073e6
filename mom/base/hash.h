// Hashes with a name others can recompute: sha256 for content, FNV-1a and splitmix64 for splits and random streams.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "mom/base/files.h"

namespace mom {

constexpr uint64_t fnv1a64(std::string_view text) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  return hash;
}

// The finaliser of splitmix64 (Steele, Lea, Flood 2014): a bijection that mixes all bits.
constexpr uint64_t splitmix64_finalise(uint64_t z) {
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

std::string sha256_hex(std::string_view bytes);
std::string sha256_hex_of_file(const Path& path);

}  // namespace mom
