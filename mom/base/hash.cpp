#include "mom/base/hash.h"

#include <openssl/evp.h>

#include <new>

#include "mom/base/error.h"
#include "mom/base/files_internal.h"

namespace mom {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    if (!context_) throw std::bad_alloc();
    check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
  }
  void update(const void* data, size_t size) { check(EVP_DigestUpdate(context_.get(), data, size)); }
  std::string hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    check(EVP_DigestFinal_ex(context_.get(), digest, &size));
    std::string text;
    for (unsigned i = 0; i < size; ++i) {
      text += "0123456789abcdef"[digest[i] >> 4];
      text += "0123456789abcdef"[digest[i] & 15];
    }
    return text;
  }

 private:
  static void check(int ok) {
    if (ok != 1) throw Error(ExitCode::kInternal, "OpenSSL: sha256 failed");
  }
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string sha256_hex(std::string_view bytes) {
  Sha256 sha;
  sha.update(bytes.data(), bytes.size());
  return sha.hex();
}

std::string sha256_hex_of_file(const Path& path) {
  const auto fd = files_internal::open_for_reading(path);
  files_internal::checked_size(fd, path);
  std::string block(1 << 20, '\0');
  Sha256 sha;
  for (size_t got; (got = files_internal::read_some(fd.get(), block.data(), block.size(), path)) > 0;)
    sha.update(block.data(), got);
  return sha.hex();
}

}  // namespace mom
