// Models for others' programs.
#pragma once

#include <string>

#include "mom/base/json.h"
#include "mom/formats/gguf.h"
#include "mom/models/model.h"

namespace mom::models {

// The dense Mamba inside a Mixture-of-Mamba: the weights that text passes and the rows of text, as a plain language model. Its
// logits of text are the same. UserError: not a model of Mamba blocks alone.
Model text_only(ModelImpl& model);

// config.json of a folder that transformers loads with the code of python/mixture_of_mamba/modeling_mixture_of_mamba.py. UserError: a model that
// this code does not compute.
inline constexpr const char* kModelingFile = "modeling_mixture_of_mamba.py";
OrderedJson hugging_face_config(const ModelSpec& spec);

// Adds hyper-parameters and weights of a dense Mamba as llama.cpp knows it. `weights` must live as long as `file`. UserError: one that it
// does not compute.
void add_to_gguf(formats::GgufFile& file, const ModelSpec& spec, nn::NamedTensors& weights);

}  // namespace mom::models
