// Sources that are one file of text: .txt and .jsonl.
#include <optional>

#include "mom/base/error.h"
#include "mom/base/lines.h"
#include "mom/base/log.h"
#include "mom/base/utf8.h"
#include "mom/data/import_names.h"
#include "mom/data/import_run.h"
#include "mom/formats/tar.h"

namespace mom::data {
namespace {

// A longer text is cut into several documents: readers hold a document as a whole, and splits are made of documents.
constexpr size_t kMaxTextBytes = size_t{1} << 20;

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n") == std::string_view::npos; }

// Blocks of lines between blank lines.
std::vector<std::string> paragraphs_of(std::string_view text) {
  std::vector<std::string> paragraphs(1);
  while (!text.empty()) {
    size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!is_blank(line)) {
      paragraphs.back().append(line).push_back('\n');
    } else if (!paragraphs.back().empty()) {
      paragraphs.emplace_back();
    }
  }
  if (paragraphs.back().empty()) paragraphs.pop_back();
  return paragraphs;
}

// How much of a text that is too long comes first: up to its last paragraph, else line, else word, else character.
size_t length_of_piece(std::string_view text) {
  const std::string_view piece = text.substr(0, kMaxTextBytes);
  for (const std::string_view end : {"\n\n", "\r\n\r\n", "\n", " "})
    if (const size_t at = piece.rfind(end); at != std::string_view::npos && at > 0) return at + end.size();
  size_t length = piece.size();
  while (length > 1 && (text[length] & 0xc0) == 0x80) --length;
  return length;
}

std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  while (!text.empty()) {
    const size_t length = text.size() <= kMaxTextBytes ? text.size() : length_of_piece(text);
    if (!is_blank(text.substr(0, length))) pieces.emplace_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return pieces;
}

Draft text_draft(const std::string& key, std::string text, const std::string& place) {
  Draft draft{.key = key, .segments = {}};
  draft.segments.push_back(text_segment(std::move(text), place));
  return draft;
}

void import_pieces(ImportRun& run, const std::string& key, const std::string& place, const char* what,
                   std::vector<std::string> pieces) {
  for (size_t i = 0; i < pieces.size(); ++i) {
    const std::string number = std::to_string(i + 1), piece_place = place + ": " + what + " " + number;
    run.sample(piece_place,
               [&] { return text_draft(key + ":" + number, std::move(pieces[i]), piece_place); });
  }
}

// Lines of a file that may be compressed; a longer line than JSON may be is left out. False: so is the rest of the file.
bool read_lines(ImportRun& run, const Path& file, const LineSplitter::Visit& visit) {
  const std::string place = printable(file.string());
  const size_t max_bytes = JsonLimits{}.max_bytes;
  LineSplitter lines(max_bytes, visit, [&](uint64_t number) {
    const std::string line_place = place + ":" + std::to_string(number);
    run.leave_out({Reason::kUnusable, line_place,
                   format_error({line_place, "a line of at most " + std::to_string(max_bytes) + " bytes",
                                 "a longer one", "split its text into several documents"})});
  });
  std::optional<std::string> damage;
  try {
    if (is_compressed_name(file.string())) {
      formats::read_compressed_blocks(file, [&](std::string_view block) { lines.add(block); });
    } else {
      const MappedFile mapped(file);
      lines.add({reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()});
    }
    lines.finish();
  } catch (const ImportStopped&) {
    throw;
  } catch (const InputError& error) {
    damage = error.what();
  }
  if (damage) run.leave_out({Reason::kDamaged, place, *damage});
  return !damage;
}

// A file that a line names, relative to the file of lines.
std::optional<Found> find_beside(const Path& file, const std::string& name) {
  const Path path = file.parent_path() / name;
  std::error_code ignored;
  if (name.find('\0') != std::string::npos || !std::filesystem::is_regular_file(path, ignored))
    return std::nullopt;
  return Found{read_file(path), printable(path.string())};
}

}  // namespace

void import_text(ImportRun& run, const std::string& key, const std::string& place,
                 const std::function<std::string()>& read) {
  std::vector<std::string> pieces;
  const char* what = "part";
  // The text as a whole: what cannot be read or is not UTF-8 is one sample that is left out.
  auto whole = [&]() -> std::optional<Draft> {
    std::string text = read();
    if (run.options().paragraphs) {
      what = "paragraph";
      for (const std::string& paragraph : paragraphs_of(text))
        for (std::string& piece : pieces_of(paragraph)) pieces.push_back(std::move(piece));
      if (!pieces.empty()) return std::nullopt;
    } else if (text.size() > kMaxTextBytes) {
      check_utf8(text, place);
      pieces = pieces_of(text);
      if (!pieces.empty()) return std::nullopt;
    }
    return text_draft(key, std::move(text), place);
  };
  run.sample(place, whole);
  if (pieces.size() > 1 && !run.options().paragraphs)
    log_info(place + ": a long text, split into " + std::to_string(pieces.size()) + " documents");
  import_pieces(run, key, place, what, std::move(pieces));
}

void import_text_file(ImportRun& run, const Path& file, const std::string& key) {
  import_text(run, key, printable(file.string()), [&] { return read_file(file); });
}

std::set<std::string> import_json_lines(ImportRun& run, const Path& file, const std::string& stem) {
  std::set<std::string> media;
  bool is_empty = true;
  const std::string path = printable(file.string());
  const bool is_whole = read_lines(run, file, [&](std::string_view line, uint64_t number) {
    if (is_blank(line)) return;
    is_empty = false;
    const std::string place = path + ":" + std::to_string(number);
    run.sample(place, [&] {
      const Json json = parse_json(line, place);
      media.merge(media_named_by(json));
      return parse_draft(json, stem + ":" + std::to_string(number), place, [&](const std::string& name) {
        auto found = find_beside(file, name);
        if (found) found->place = place + ": " + found->place;
        return found;
      });
    });
  });
  if (is_empty && is_whole)
    run.leave_out(
        {Reason::kUnusable, path, format_error({path, "a document per line", "an empty file", ""})});
  return media;
}

}  // namespace mom::data
