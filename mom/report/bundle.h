// ES modules joined to one script, for a page that is one file: a browser loads no module next to a file:// page, and a
// script inside the page can be named by its hash in the content security policy, a data: or blob: module can not.
//
// Each module becomes a function that runs once, after those it imports, and returns what it exports:
//   import X from 'M';  import {a, b as c} from 'M';  import 'M';         at the start of a line, or of the file
//   export const a = ...  export function a(...)  export async function a(...)  export class a ...   likewise
//   export default EXPRESSION;  export {a as b, ...};                     anywhere: vendored modules are one line
// Lines that are comments and indentation are left out: no string of a module may span lines where they matter.
// Nothing else of modules is known, and what is found of it (cycles, `import *`, `export let`) is our defect:
// logic_error.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace mom::report {

// `source` of a name as it is imported, "./x.js" resolved below the importing file: "report.js", "preact".
std::string bundle(const std::string& entry, const std::function<std::string(const std::string&)>& source);

}  // namespace mom::report
