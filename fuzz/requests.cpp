// What clients of `mom serve` send: bodies of each route, forms, and bytes on a connection.
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <thread>

#include "fuzz/targets.h"
#include "mom/http/http.h"
#include "mom/serve/multipart.h"
#include "mom/serve/requests.h"
#include "tests/support/temp_folder.h"

namespace mom::fuzz {
namespace {

serve::Card card() {
  using codecs::MediaKind;
  serve::Card card{.id = "tiny", .created = 1};
  card.modalities = {{"text", MediaKind::kText}, {"image", MediaKind::kImage}, {"speech", MediaKind::kSound}};
  card.has_vocabulary = card.has_latents = true;
  card.vocab_size = 100;
  return card;
}

template <serve::Plan (*plan)(const std::string&, const serve::Card&)>
void read_body(std::string_view bytes) {
  static const serve::Card known = card();
  const serve::Plan asked = plan(std::string(bytes), known);
  expect(asked.format != nullptr, "an answer has a format");
}

std::vector<std::string> chat_body_seeds() {
  return {
      R"({"model": "tiny", "messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": [
              {"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}},
              {"type": "input_audio", "input_audio": {"data": "AwQ=", "format": "wav"}}]}],
              "max_tokens": 5, "temperature": 0.5, "top_p": 0.9, "n": 1, "seed": 3, "stream": true,
              "stream_options": {"include_usage": true}, "stop": ["."], "modalities": ["text"]})",
      R"({"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "ho"}]})"};
}
std::vector<std::string> completion_body_seeds() {
  return {R"({"prompt": "red disc", "max_tokens": 4, "stop": "x"})"};
}
std::vector<std::string> image_body_seeds() {
  return {
      R"({"prompt": "red disc", "n": 1, "size": "256x256", "response_format": "b64_json", "guidance_scale": 3, "num_inference_steps": 10, "stream": true})"};
}
std::vector<std::string> speech_body_seeds() {
  return {R"({"input": "red disc", "voice": "alloy", "response_format": "wav", "speed": 1})"};
}

constexpr const char* kForm = "multipart/form-data; boundary=xx";

void read_form(std::string_view bytes) { serve::parse_form(bytes, kForm); }
void read_transcription(std::string_view bytes) {
  serve::plan_transcription(std::string(bytes), kForm, card());
}
std::vector<std::string> form_seeds() {
  return {
      "--xx\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\nContent-Type: "
      "audio/wav\r\n\r\nRIFF\r\n"
      "--xx\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\ntiny\r\n"
      "--xx\r\nContent-Disposition: form-data; name=\"temperature\"\r\n\r\n0.5\r\n--xx--\r\n"};
}

// A server that answers every request with what it was asked, on a socket of its own.
class Echo {
 public:
  Echo() {
    path_ = folder_ / "socket";
    http::Options options;
    options.unix_socket = path_.string();
    options.max_header_bytes = 4096;
    options.max_body_bytes = 1 << 16;
    options.refuse = [](int status, std::string_view message) {
      return http::Response{.status = status, .body = std::string(message)};
    };
    server_ = std::make_unique<http::Server>(options, [](const http::Request& request, const auto& exchange) {
      exchange->respond({.body = request.method + " " + request.path + " " + request.body});
    });
    thread_ = std::jthread(
        [this](const std::stop_token& stop) { server_->run([&] { return stop.stop_requested(); }); });
  }
  std::string answer(std::string_view bytes) const {
    const int client = ::socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
    expect(::connect(client, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0,
           "the server listens");
    // It may refuse before it has read everything.
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = ::send(client, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    ::shutdown(client, SHUT_WR);
    std::string answer;
    char piece[4096];
    for (ssize_t count; (count = ::recv(client, piece, sizeof piece, 0)) > 0;)
      answer.append(piece, static_cast<size_t>(count));
    ::close(client);
    return answer;
  }

 private:
  test::TempFolder folder_;
  Path path_;
  std::unique_ptr<http::Server> server_;
  std::jthread thread_;
};

void read_http(std::string_view bytes) {
  static const Echo echo;
  const std::string answer = echo.answer(bytes);
  expect(answer.empty() || answer.starts_with("HTTP/1."), "an answer begins with its status");
  expect(answer.find("HTTP/1.1 500") != 0, "no request is a defect of ours");
  // The next one is answered as ever.
  static int count = 0;
  if (++count % 64 == 0)
    expect(echo.answer("GET /after HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                   .find("GET /after") != std::string::npos,
           "the next request is answered");
}

std::vector<std::string> http_seeds() {
  return {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
          "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: "
          "application/json\r\nContent-Length: 2\r\n\r\n{}",
          "POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET "
          "/y HTTP/1.0\r\n\r\n"};
}

}  // namespace

std::vector<Target> request_targets() {
  return {{"chat", read_body<serve::plan_chat>, chat_body_seeds},
          {"completion", read_body<serve::plan_completion>, completion_body_seeds},
          {"images", read_body<serve::plan_image>, image_body_seeds},
          {"speech", read_body<serve::plan_speech>, speech_body_seeds},
          {"form", read_form, form_seeds},
          {"transcription", read_transcription, form_seeds},
          {"http", read_http, http_seeds}};
}

}  // namespace mom::fuzz
