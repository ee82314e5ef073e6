// Who may ask.
#include "mom/serve/access.h"

#include <gtest/gtest.h>

#include "mom/serve/api_error.h"

namespace mom::serve {
namespace {

int status_of(const http::Request& request, const Access& access, bool open = false) {
  try {
    check_access(request, access, open);
  } catch (const ApiError& error) {
    return error.status;
  }
  return 200;
}

TEST(Access, HostOriginAndKey) {
  const Access plain;
  const auto host = [](const std::string& name, const std::string& origin = "") {
    return http::Request{.host = name, .origin = origin};
  };
  for (const char* own : {"localhost", "localhost:8080", "127.0.0.1:8080", "[::1]:8080", "[::1]"})
    EXPECT_EQ(status_of(host(own), plain), 200) << own;
  for (const char* other :
       {"", "example.org", "localhost.example.org", "127.0.0.1.example.org:8080", "[::2]"})
    EXPECT_EQ(status_of(host(other), plain), 403) << other;
  EXPECT_EQ(status_of(host("localhost:8080", "http://localhost:8080"), plain), 200);
  for (const char* origin :
       {"http://example.org", "null", "http://localhost:9090", "http://localhost:8080.example.org"})
    EXPECT_EQ(status_of(host("localhost:8080", origin), plain), 403) << origin;
  Access wide{.hosts = {"box"}, .origins = {"https://example.org"}};
  EXPECT_EQ(status_of(host("box:1", "https://example.org"), wide), 200);
  EXPECT_EQ(allowed_origin(host("box", "https://example.org"), wide), "https://example.org");
  EXPECT_EQ(allowed_origin(host("box", "https://example.com"), wide), "");
  Access guarded{.api_key = "secret", .any_host = true};
  http::Request request = host("anything");
  EXPECT_EQ(status_of(request, guarded), 401);
  EXPECT_EQ(status_of(request, guarded, /*open=*/true), 200);
  for (const char* wrong :
       {"secret", "Bearer secre", "Bearer secrets", "Bearer ", "Basic secret", "bearer"}) {
    request.authorization = wrong;
    EXPECT_EQ(status_of(request, guarded), 401) << wrong;
  }
  request.authorization = "Bearer secret";
  EXPECT_EQ(status_of(request, guarded), 200);
}

}  // namespace
}  // namespace mom::serve
