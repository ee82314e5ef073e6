// An error as clients get it: {"error": {"message", "type", "param", "code"}}.
#pragma once

#include <stdexcept>
#include <string>

#include "mom/base/utf8.h"
#include "mom/http/http.h"

namespace mom::serve {

struct ApiError : std::runtime_error {
  ApiError(int status_in, const std::string& message, std::string param_in = "", std::string code_in = "")
      : std::runtime_error(printable(message)),  // a NUL of the client's would end it
        status(status_in),
        param(std::move(param_in)),
        code(std::move(code_in)) {}
  int status;
  std::string param, code;  // empty: null
};

std::string error_json(const ApiError& error);
http::Response to_response(const ApiError& error);
// "PARAM: expected EXPECTED, found FOUND", status 400.
ApiError wrong_field(const std::string& param, const std::string& expected, const std::string& found);

}  // namespace mom::serve
