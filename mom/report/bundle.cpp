#include "mom/report/bundle.h"

#include <map>
#include <regex>
#include <set>
#include <stdexcept>
#include <vector>

#include "mom/base/files.h"

namespace mom::report {
namespace {

// "a, b as c" -> pairs.
std::vector<std::pair<std::string, std::string>> names_in(const std::string& list) {
  static const std::regex kName(R"(([\w$]+)(?:\s+as\s+([\w$]+))?)");
  std::vector<std::pair<std::string, std::string>> names;
  for (auto at = std::sregex_iterator(list.begin(), list.end(), kName); at != std::sregex_iterator(); ++at)
    names.emplace_back((*at)[1], (*at)[2].matched ? (*at)[2] : (*at)[1]);
  return names;
}

std::string quoted(const std::string& name) { return "modules[\"" + name + "\"]"; }

class Bundle {
 public:
  explicit Bundle(const std::function<std::string(const std::string&)>& source) : source_(source) {}

  void add(const std::string& name) {
    if (done_.contains(name)) return;
    if (!open_.insert(name).second) throw std::logic_error("modules import each other: " + name);
    std::string exported, body;
    const std::string source = source_(name);
    for (size_t at = 0; at < source.size();) {
      const size_t end = std::min(source.find('\n', at), source.size());
      if (const std::string code = trimmed(source.substr(at, end - at)); !code.empty())
        body += line(name, code, exported) + "\n";
      at = end + 1;
    }
    text_ += quoted(name) + " = (() => {\n" + body + "return {" + exported + "};\n})();\n";
    done_.insert(name);
  }

  std::string take() { return "const modules = {};\n" + text_; }

 private:
  // Without indentation; nothing of a comment.
  static std::string trimmed(const std::string& text) {
    const size_t begin = std::min(text.find_first_not_of(" \t"), text.size());
    return text.compare(begin, 2, "//") == 0 ? "" : text.substr(begin);
  }

  std::string imported(const std::string& importer, const std::string& name) {
    const std::string found = name.starts_with("./") || name.starts_with("../")
                                  ? (Path(importer).parent_path() / name).lexically_normal().string()
                                  : name;
    add(found);
    return quoted(found);
  }

  std::string imports(const std::string& name, const std::smatch& match) {
    const std::string from = imported(name, match[3]);
    if (match[1].matched) return "const " + match[1].str() + " = " + from + ".default;";
    if (!match[2].matched) return "";
    std::string list;
    for (const auto& [theirs, ours] : names_in(match[2]))
      list += (list.empty() ? "" : ", ") + theirs + ": " + ours;
    return "const {" + list + "} = " + from + ";";
  }

  std::string line(const std::string& name, std::string text, std::string& exported) {
    static const std::regex kImport(
        R"re(^import\s*(?:([\w$]+)\s*from|\{([^}]*)\}\s*from)?\s*['"]([^'"]+)['"];?)re"),
        kDeclared(R"(^export\s+(const|function\*?|async function|class)\s+([\w$]+))"),
        kList(R"(export\s*\{([^}]*)\};?)");
    std::smatch match;
    if (std::regex_search(text, match, kImport)) text = imports(name, match) + match.suffix().str();
    if (std::regex_search(text, match, kDeclared)) {
      exported += match[2].str() + ", ";
      text = match[1].str() + " " + match[2].str() + match.suffix().str();
    }
    if (const size_t at = text.find("export default "); at != std::string::npos && plain(text, at)) {
      exported += "default: $default, ";
      text.replace(at, 15, "const $default = ");
    }
    if (const size_t at = text.rfind("export{"); at != std::string::npos || text.starts_with("export {")) {
      const std::string tail = text.substr(at == std::string::npos ? 0 : at);
      if (!std::regex_search(tail, match, kList)) throw std::logic_error("module " + name + ": " + tail);
      for (const auto& [ours, theirs] : names_in(match[1])) exported += theirs + ": " + ours + ", ";
      text = text.substr(0, text.size() - tail.size()) + match.suffix().str();
    }
    if (text.starts_with("import ") || text.starts_with("export ") || text.starts_with("import{"))
      throw std::logic_error("module " + name + " has what cannot be joined: " + text.substr(0, 100));
    return text;
  }

  // At the start of a statement.
  static bool plain(const std::string& text, size_t at) {
    return at == 0 || text[at - 1] == ';' || text[at - 1] == '}';
  }

  const std::function<std::string(const std::string&)>& source_;
  std::set<std::string> open_, done_;
  std::string text_;
};

}  // namespace

std::string bundle(const std::string& entry, const std::function<std::string(const std::string&)>& source) {
  Bundle all(source);
  all.add(entry);
  return all.take();
}

}  // namespace mom::report
