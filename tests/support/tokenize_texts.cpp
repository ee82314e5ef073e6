// tokenize_texts TOKENIZER encode|decode < IN > OUT: what a tokenizer.json (mom/tokenizer) or the text codec in a folder makes of each
// record, for the tests and the bench.
// A record: u32 number of items, then the items: bytes of a text, or i32 ids. Seconds of the work alone go to stderr.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>

#include "mom/base/error.h"
#include "mom/codecs/byte_pair_text.h"
#include "mom/codecs/text_codec.h"

namespace {

template <class Item>
void write_record(std::string& out, const Item* items, size_t count) {
  const auto size = static_cast<uint32_t>(count);
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(reinterpret_cast<const char*>(items), count * sizeof(Item));
}

std::string bytes_of(const mom::codecs::TextTokenizer& tokenizer, std::string_view ids) {
  std::string text;
  for (size_t at = 0; at < ids.size(); at += sizeof(int32_t)) {
    int32_t id;
    ids.copy(reinterpret_cast<char*>(&id), sizeof id, at);
    text += tokenizer.bytes_of(id);
  }
  return text;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    const mom::Path path = argv[1];
    std::unique_ptr<mom::codecs::TextCodec> codec;
    std::unique_ptr<mom::codecs::BytePairText> file;
    if (std::filesystem::is_directory(path)) {
      codec = std::make_unique<mom::codecs::TextCodec>(path);
    } else {
      file = std::make_unique<mom::codecs::BytePairText>(path);
    }
    const mom::codecs::TextTokenizer& tokenizer = codec ? codec->tokenizer() : *file;
    const bool encode = std::string_view(argv[2]) == "encode";
    const std::string in(std::istreambuf_iterator<char>(std::cin), {});
    std::string out;
    const auto start = std::chrono::steady_clock::now();
    for (size_t at = 0; at < in.size();) {
      uint32_t count;
      in.copy(reinterpret_cast<char*>(&count), sizeof count, at);
      const size_t size = encode ? count : count * sizeof(int32_t);
      const std::string_view record = std::string_view(in).substr(at + sizeof count, size);
      at += sizeof count + size;
      if (encode) {
        const std::vector<int32_t> ids = tokenizer.encode(record);
        write_record(out, ids.data(), ids.size());
      } else {
        const std::string text = bytes_of(tokenizer, record);
        write_record(out, text.data(), text.size());
      }
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    std::fprintf(stderr, "%.6f\n", seconds.count());
    std::fwrite(out.data(), 1, out.size(), stdout);
  } catch (const mom::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return static_cast<int>(error.code());
  }
  return 0;
}
