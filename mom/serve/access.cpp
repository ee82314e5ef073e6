#include "mom/serve/access.h"

#include <algorithm>

namespace mom::serve {
namespace {

// Without its port: "localhost:8080" and "[::1]:8080" are "localhost" and "[::1]".
std::string name_of(const std::string& host) {
  const size_t bracket = host.find(']');
  const size_t colon = host.find(':', bracket == std::string::npos ? 0 : bracket);
  return host.substr(0, colon);
}

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

bool is_own_host(const std::string& host, const Access& access) {
  static const std::vector<std::string> kLoopback = {"localhost", "127.0.0.1", "[::1]"};
  const std::string name = name_of(host);
  return access.any_host || contains(kLoopback, name) || contains(access.hosts, name) ||
         contains(access.hosts, host);
}

}  // namespace

std::string allowed_origin(const http::Request& request, const Access& access) {
  return contains(access.origins, request.origin) ? request.origin : "";
}

void check_access(const http::Request& request, const Access& access, bool open) {
  if (!is_own_host(request.host, access))
    throw ApiError(403, "Host: not a name of this server; --allow-host adds one", "Host");
  const bool same_site = request.origin.empty() || request.origin == "http://" + request.host ||
                         request.origin == "https://" + request.host;
  if (!same_site && allowed_origin(request, access).empty())
    throw ApiError(403, "Origin: pages of other sites may not ask; --allow-origin adds one", "Origin");
  if (open || access.api_key.empty()) return;
  constexpr std::string_view kScheme = "Bearer ";
  const bool known =
      request.authorization.starts_with(kScheme) &&
      http::equal_secrets(std::string_view(request.authorization).substr(kScheme.size()), access.api_key);
  if (!known)
    throw ApiError(401, "a key is needed: Authorization: Bearer KEY", "Authorization", "invalid_api_key");
}

}  // namespace mom::serve
