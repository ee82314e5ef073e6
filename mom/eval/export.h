// `mom convert` for others' programs: Hugging Face's transformers and llama.cpp. No torch here.
#pragma once

#include "mom/base/files.h"

namespace mom::eval {

struct Export {
  Path from, out;
  Path codecs;  // a folder with one for each modality; empty: those of a run's data
};

// The dense Mamba inside, as a folder that transformers loads as MambaForCausalLM, with its tokenizer.
void convert_text_only(const Export& options);
// A folder that transformers loads with trust_remote_code: weights, code, generation_config.json and the tokenizer.
void convert_to_hf(const Export& options);
// A GGUF file of the dense Mamba inside, with its tokenizer.
void convert_to_gguf(const Export& options);

}  // namespace mom::eval
