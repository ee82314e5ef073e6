#include "mom/serve/api_error.h"

#include "mom/base/json.h"

namespace mom::serve {

std::string error_json(const ApiError& error) {
  const auto or_null = [](const std::string& text) { return text.empty() ? Json() : Json(printable(text)); };
  const char* type = error.status == 401   ? "authentication_error"
                     : error.status == 403 ? "permission_error"
                     : error.status == 429 ? "rate_limit_error"
                     : error.status >= 500 ? "server_error"
                                           : "invalid_request_error";
  return OrderedJson{{"error",
                      {{"message", error.what()},
                       {"type", type},
                       {"param", or_null(error.param)},
                       {"code", or_null(error.code)}}}}
      .dump();
}

http::Response to_response(const ApiError& error) {
  http::Response response{.status = error.status, .body = error_json(error)};
  if (error.status == 429 || error.status == 503) response.headers.emplace_back("Retry-After", "1");
  if (error.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  return response;
}

ApiError wrong_field(const std::string& param, const std::string& expected, const std::string& found) {
  return {400, param + ": expected " + expected + ", found " + found, param};
}

}  // namespace mom::serve
