#include "mom/report/bundle.h"

#include <gtest/gtest.h>

#include <map>
#include <stdexcept>

namespace mom::report {
namespace {

std::string bundled(const std::map<std::string, std::string>& modules) {
  return bundle("main.js", [&](const std::string& name) { return modules.at(name); });
}

TEST(Bundle, ModulesBecomeFunctionsInTheOrderOfTheirImports) {
  EXPECT_EQ(
      bundled(
          {{"main.js", "import { one, two as b } from './part/a.js';\nimport X from 'lib';\nb(one, X);\n"},
           {"part/a.js", "import '../side.js';\nexport const one = 1;\nexport function two() {}\n"},
           {"side.js", "globalThis.side = 1;\n"},
           {"lib", "var n=1;export default function(s){return s+n}export{n as num};"}}),
      "const modules = {};\n"
      "modules[\"side.js\"] = (() => {\nglobalThis.side = 1;\nreturn {};\n})();\n"
      "modules[\"part/a.js\"] = (() => {\n\nconst one = 1;\nfunction two() {}\nreturn {one, two, };\n})();\n"
      "modules[\"lib\"] = (() => {\nvar n=1;const $default = function(s){return s+n}\n"
      "return {default: $default, num: n, };\n})();\n"
      "modules[\"main.js\"] = (() => {\nconst {one: one, two: b} = modules[\"part/a.js\"];\n"
      "const X = modules[\"lib\"].default;\nb(one, X);\nreturn {};\n})();\n");
}

TEST(Bundle, CommentsAndIndentationAreLeftOut) {
  const std::string text = bundled({{"main.js", "// why\nif (1) {\n  // here\n  go('// no comment');\n}\n"}});
  EXPECT_NE(text.find("\nif (1) {\ngo('// no comment');\n}\n"), std::string::npos) << text;
}

TEST(Bundle, WordsInsideATextAreNoStatement) {
  const std::string source = "say('export default of the import from {x}');";
  EXPECT_NE(bundled({{"main.js", source}}).find(source), std::string::npos);
}

TEST(Bundle, WhatItDoesNotKnowIsRefused) {
  for (const char* source :
       {"import * as all from './a.js';", "export let a = 1;", "export * from './a.js';"})
    EXPECT_THROW(bundled({{"main.js", source}, {"a.js", ""}}), std::logic_error) << source;
  EXPECT_THROW(bundled({{"main.js", "import './a.js';"}, {"a.js", "import './main.js';"}}), std::logic_error);
}

}  // namespace
}  // namespace mom::report
