// DocumentWriter: one .jsonl file a source and split, media in tars, dataset.json last, all of it published
// by one rename.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <unordered_map>
#include <unordered_set>

#include "mom/base/error.h"
#include "mom/base/hash.h"
#include "mom/base/manifest.h"
#include "mom/base/utf8.h"
#include "mom/data/document.h"
#include "mom/formats/tar.h"

namespace mom::data {
namespace {

constexpr uint64_t kMaxTarBytes = uint64_t{512} << 20;
constexpr size_t kMaxLineBytes = JsonLimits{}.max_bytes;  // what DocumentReader reads

struct OpenCollection {
  Collection about;
  std::unique_ptr<FileWriter> file;
  std::unordered_set<std::string> keys;
};

bool is_plain_name(const std::string& name) {
  return !name.empty() && name[0] != '.' && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '_' || c == '.' || c == '-';
  });
}

void check_name(const std::string& name, const char* what) {
  if (!is_plain_name(name))
    throw UserError({what, "letters, digits, '_', '.' or '-'", "'" + name + "'", "choose another name"});
}

// Short in the file, and exact enough to add up.
double in_milliseconds(double seconds) { return std::round(seconds * 1000) / 1000; }

OrderedJson to_json(const Segment& segment) {
  OrderedJson json;
  if (segment.modality == kText) {
    json[kText] = segment.text;
    if (!segment.keywords.empty()) json["keywords"] = segment.keywords;
    return json;
  }
  const MediaRef& ref = segment.media;
  OrderedJson media{{"file", ref.file}, {"offset", ref.offset}, {"bytes", ref.num_bytes}};
  if (!ref.sha256.empty()) media["sha256"] = ref.sha256;
  if (segment.encoded) {
    json["modality"] = segment.modality;
    json.update(media);
  } else {
    json[segment.modality] = media;
    if (segment.seconds > 0) json[segment.modality]["seconds"] = in_milliseconds(segment.seconds);
  }
  return json;
}

std::string to_line(const Document& document) {
  OrderedJson json;
  json["key"] = document.key;
  if (document.free_order) json["free_order"] = true;
  json["segments"] = OrderedJson::array();
  for (const Segment& segment : document.segments) json["segments"].push_back(to_json(segment));
  return json.dump() + "\n";
}

void check_segments(const Document& document) {
  if (document.segments.empty()) throw InputError("document '" + document.key + "': no segments");
  if (document.free_order && !may_be_free(document.segments))
    throw InputError({"document '" + document.key + "'", "one segment of a modality where the order is free",
                      "several", "give the segments an order"});
  for (const Segment& segment : document.segments)
    if (auto fault = find_invalid_utf8(segment.text))
      throw InputError({"document '" + document.key + "': byte " + std::to_string(*fault), "UTF-8 text",
                        "another encoding", "convert the text to UTF-8"});
}

}  // namespace

struct DocumentWriter::State {
  State(Path folder, bool replace) : target(folder), publisher(std::move(folder), replace) {}

  OpenCollection& collection(const std::string& source, const std::string& split) {
    auto [entry, added] = collections.try_emplace({source, split});
    OpenCollection& open = entry->second;
    if (!added) return open;
    check_name(source, "source name");
    check_name(split, "split name");
    open.about = {
        .source = source, .split = split, .file = split + "-" + source + ".jsonl", .num_segments = {}};
    if (!files.insert(open.about.file).second)  // "a-b" of "c" and "b-c" of "a" would share a file
      throw UserError(
          {"source name", "a name that gives a new file", "'" + source + "'", "choose another name"});
    open.file = std::make_unique<FileWriter>(publisher.path() / open.about.file);
    return open;
  }

  void open_tar() {
    char name[32];
    std::snprintf(name, sizeof name, "media-%05d.tar", num_tars++);
    tar_name = name;
    tar = std::make_unique<formats::TarWriter>(publisher.path() / tar_name);
    tar_bytes = 0;
  }

  Path target;
  FolderPublisher publisher;
  std::map<std::pair<std::string, std::string>, OpenCollection> collections;
  std::unordered_set<std::string> files;
  std::unique_ptr<FileWriter> left_out;
  std::unique_ptr<formats::TarWriter> tar;
  std::string tar_name;
  int num_tars = 0;
  uint64_t tar_bytes = 0, skipped = 0;
  bool any_encoded = false;
  std::unordered_map<std::string, MediaRef> media_by_hash;
  std::map<std::string, std::string> titles;
};

DocumentWriter::DocumentWriter(Path folder, bool replace)
    : state_(std::make_unique<State>(std::move(folder), replace)) {}

DocumentWriter::~DocumentWriter() = default;

MediaRef DocumentWriter::add_media(std::string_view name, std::string_view bytes) {
  State& state = *state_;
  auto [entry, added] = state.media_by_hash.try_emplace(sha256_hex(bytes));
  if (!added) return entry->second;
  if (state.tar && state.tar_bytes + bytes.size() > kMaxTarBytes) {
    state.tar->close();
    state.tar.reset();
  }
  if (!state.tar) state.open_tar();
  uint64_t offset = state.tar->add(name, bytes);
  state.tar_bytes = offset + bytes.size();
  return entry->second = {state.tar_name, offset, bytes.size(), entry->first};
}

void DocumentWriter::add(const std::string& source, const std::string& split, const Document& document) {
  check_segments(document);
  const std::string line = to_line(document);
  if (line.size() > kMaxLineBytes)
    throw InputError({"document '" + document.key + "'",
                      "at most " + std::to_string(kMaxLineBytes) + " bytes as a line of JSON",
                      std::to_string(line.size()), "split its text into several documents"});
  OpenCollection& open = state_->collection(source, split);
  if (!open.keys.insert(document.key).second)
    throw InputError({"document '" + document.key + "'", "a key used once in source '" + source + "'",
                      "a second document with it", "give each document a key of its own"});
  open.file->write(line);
  ++open.about.num_documents;
  for (const Segment& segment : document.segments) {
    ++open.about.num_segments[segment.modality];
    open.about.speech_seconds += in_milliseconds(segment.seconds);
    state_->any_encoded |= segment.encoded;
  }
}

bool DocumentWriter::contains(const std::string& source, const std::string& split,
                              const std::string& key) const {
  const auto open = state_->collections.find({source, split});
  return open != state_->collections.end() && open->second.keys.contains(key);
}

void DocumentWriter::add_left_out(const OrderedJson& item) {
  if (!state_->left_out)
    state_->left_out = std::make_unique<FileWriter>(state_->publisher.path() / "left_out.jsonl");
  state_->left_out->write(item.dump() + "\n");
}

void DocumentWriter::set_skipped(uint64_t count) { state_->skipped = count; }
void DocumentWriter::set_titles(std::map<std::string, std::string> titles) {
  state_->titles = std::move(titles);
}

void DocumentWriter::commit() {
  State& state = *state_;
  if (state.collections.empty()) throw InputError(state.target.string() + ": no documents to write");
  OrderedJson manifest = {
      {"format", "mom-documents"}, {"version", state.any_encoded ? 2 : 1}, {"skipped", state.skipped}};
  for (const auto& [name, open] : state.collections)
    if (const auto title = state.titles.find(name.first); title != state.titles.end())
      manifest["titles"][title->first] = title->second;
  manifest["collections"] = OrderedJson::array();
  for (auto& [name, open] : state.collections) {
    open.file->close();
    const Collection& about = open.about;
    manifest["collections"].push_back({{"source", about.source},
                                       {"split", about.split},
                                       {"file", about.file},
                                       {"sha256", sha256_hex_of_file(state.publisher.path() / about.file)},
                                       {"documents", about.num_documents},
                                       {"segments", about.num_segments}});
    if (about.speech_seconds > 0)
      manifest["collections"].back()["speech_seconds"] = in_milliseconds(about.speech_seconds);
  }
  if (state.tar) state.tar->close();
  if (state.left_out) state.left_out->close();
  publish_json(state.publisher.path() / "dataset.json", with_hash(manifest));
  state.publisher.commit();
}

}  // namespace mom::data
