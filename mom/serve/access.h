// Who may ask: a client with the key, from a page of this server, by a name of this server.
#pragma once

#include <string>
#include <vector>

#include "mom/http/http.h"
#include "mom/serve/api_error.h"

namespace mom::serve {

struct Access {
  std::string api_key = {};  // empty: none is asked for
  bool any_host = false;     // with a key, or on a socket that only this machine reaches by its file
  std::vector<std::string> hosts = {};    // besides localhost and the loopback addresses
  std::vector<std::string> origins = {};  // of other sites' pages that may ask: "https://example.org"
};

// ApiError: 403 where Host is not ours (a rebound name) or Origin is another site's, 401 where the key is missing or wrong.
// `open`: the route needs no key.
void check_access(const http::Request& request, const Access& access, bool open);
// The origin that an answer allows to read it; empty: none.
std::string allowed_origin(const http::Request& request, const Access& access);

}  // namespace mom::serve
