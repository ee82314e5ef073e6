#include "mom/base/json.h"

#include <cmath>
#include <iterator>

#include "mom/base/error.h"

namespace mom {
namespace {

// Feeds the parser and remembers how far it has read, so that our own errors can name the byte, too.
class CountingIterator {
 public:
  using iterator_category = std::input_iterator_tag;
  using value_type = char;
  using difference_type = std::ptrdiff_t;
  using pointer = const char*;
  using reference = const char&;
  CountingIterator(const char* at, size_t* count) : at_(at), count_(count) {}
  reference operator*() const { return *at_; }
  CountingIterator& operator++() {
    ++at_;
    ++*count_;
    return *this;
  }
  CountingIterator operator++(int) {
    CountingIterator before = *this;
    ++*this;
    return before;
  }
  bool operator==(const CountingIterator& other) const { return at_ == other.at_; }
  bool operator!=(const CountingIterator& other) const { return at_ != other.at_; }

 private:
  const char* at_;
  size_t* count_;
};

// Builds the value, with limits on depth and without duplicate keys. The parser itself does not recurse.
template <class Value>
class Builder {
 public:
  Builder(std::string_view where, int max_depth, const size_t& position)
      : where_(where), max_depth_(max_depth), position_(position) {}
  Value take() { return std::move(root_); }

  bool null() { return add(nullptr); }
  bool boolean(bool value) { return add(value); }
  bool number_integer(int64_t value) { return add(value); }
  bool number_unsigned(uint64_t value) { return add(value); }
  bool number_float(double value, const std::string&) { return add(value); }
  bool string(std::string& value) { return add(std::move(value)); }
  bool binary(typename Value::binary_t&) { return false; }
  bool start_object(size_t) { return open(Value::object()); }
  bool start_array(size_t) { return open(Value::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }
  bool key(std::string& name) {
    if (open_.back()->contains(name)) fail(position_, "keys that differ", "\"" + name + "\" twice");
    key_ = std::move(name);
    return true;
  }
  bool parse_error(size_t position, const std::string&, const nlohmann::detail::exception& error) {
    std::string problem =
        error.what();  // "[json.exception.parse_error.101] parse error at ...: syntax error ..."
    if (const size_t colon = problem.find("] "); colon != std::string::npos) problem.erase(0, colon + 2);
    if (const size_t colon = problem.find(": ");
        problem.starts_with("parse error at") && colon != std::string::npos)
      problem.erase(0, colon + 2);
    for (char& c : problem)
      if (static_cast<unsigned char>(c) < 0x20) c = ' ';
    fail(position > 0 ? position - 1 : 0, "JSON", problem);
    return false;  // not reached: GCC does not see that in a template
  }

 private:
  [[noreturn]] void fail(size_t position, const std::string& expected, const std::string& found) const {
    throw InputError({std::string(where_) + ": byte " + std::to_string(position), expected, found, ""});
  }
  bool add(Value value) {
    place(std::move(value));
    return true;
  }
  bool open(Value value) {
    if (static_cast<int>(open_.size()) >= max_depth_)
      fail(position_, "at most " + std::to_string(max_depth_) + " levels", "more");
    open_.push_back(place(std::move(value)));
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }
  Value* place(Value value) {
    if (open_.empty()) return &(root_ = std::move(value));
    Value& parent = *open_.back();
    if (parent.is_object()) return &(parent[key_] = std::move(value));
    parent.push_back(std::move(value));
    return &parent.back();
  }

  std::string_view where_;
  int max_depth_;
  const size_t& position_;
  Value root_;
  std::vector<Value*> open_;  // stable: a container only grows at its end while its last element is closed
  std::string key_;
};

const Json& member(const Json& object, const char* key, const char* kind, std::string_view where) {
  if (!object.is_object()) throw InputError({std::string(where), "an object", object.type_name(), ""});
  const auto found = object.find(key);
  if (found == object.end())
    throw InputError({std::string(where), "\"" + std::string(key) + "\" as " + kind, "no such key", ""});
  return *found;
}

[[noreturn]] void wrong_kind(const Json& value, const char* key, const char* kind, std::string_view where) {
  std::string found = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (found.size() > 60) found = found.substr(0, 57) + "...";
  throw InputError({std::string(where), "\"" + std::string(key) + "\" as " + kind, found, ""});
}

}  // namespace

namespace {

template <class Value>
Value parse(std::string_view text, std::string_view where, const JsonLimits& limits) {
  if (text.size() > limits.max_bytes)
    throw InputError({std::string(where), "JSON of at most " + std::to_string(limits.max_bytes) + " bytes",
                      std::to_string(text.size()), ""});
  size_t position = 0;
  Builder<Value> builder(where, limits.max_depth, position);
  Value::sax_parse(CountingIterator(text.data(), &position),
                   CountingIterator(text.data() + text.size(), &position), &builder);
  return builder.take();
}

}  // namespace

Json parse_json(std::string_view text, std::string_view where, const JsonLimits& limits) {
  return parse<Json>(text, where, limits);
}

OrderedJson parse_ordered_json(std::string_view text, std::string_view where, const JsonLimits& limits) {
  return parse<OrderedJson>(text, where, limits);
}

Json read_json(const Path& path, const JsonLimits& limits) {
  return parse_json(read_file(path, limits.max_bytes), path.string(), limits);
}

void publish_json(const Path& path, const OrderedJson& value) { publish_file(path, value.dump(2) + "\n"); }

std::string json_string(const Json& object, const char* key, std::string_view where) {
  const Json& value = member(object, key, "a string", where);
  if (!value.is_string()) wrong_kind(value, key, "a string", where);
  return value.get<std::string>();
}

int64_t json_int(const Json& object, const char* key, std::string_view where) {
  const Json& value = member(object, key, "an integer", where);
  const bool fits = value.is_number_integer() &&
                    !(value.is_number_unsigned() && value.get<uint64_t>() > uint64_t{INT64_MAX});
  if (!fits) wrong_kind(value, key, "an integer", where);
  return value.get<int64_t>();
}

uint64_t json_count(const Json& object, const char* key, std::string_view where) {
  const int64_t value = json_int(object, key, where);
  if (value < 0)
    throw InputError(
        {std::string(where), "\"" + std::string(key) + "\" not below 0", std::to_string(value), ""});
  return static_cast<uint64_t>(value);
}

double json_number(const Json& object, const char* key, std::string_view where) {
  const Json& value = member(object, key, "a number", where);
  if (!value.is_number() || !std::isfinite(value.get<double>())) wrong_kind(value, key, "a number", where);
  return value.get<double>();
}

}  // namespace mom
