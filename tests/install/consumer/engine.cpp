#include <mom/engine/engine.h>

#include <iostream>

int main(int, char** argv) {
  mom::engine::Engine engine(argv[1]);
  engine.add({.asked = {.parts = {{"text", argv[2], "prompt"}}, .max_tokens = 12}, .seed = 3},
             [](const mom::generate::Event& event) { std::cout << event.data << std::flush; });
  while (engine.step()) {
  }
}
