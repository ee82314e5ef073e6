// The weights of a model for one that knows more: more modalities, or own weights per modality where the smaller one has one
// set for all.
//
//   weights of a modality       that modality's; else text's; else the one set
//   rows of the token tables    each modality's. A plain language model's rows are text's, from its first piece on; those beyond
//                               the tokenizer's (vocabularies are padded) may be left over
//   rows that are new           the mean of text's rows plus a random start, so that they take little from its probabilities
//   what latents alone pass     a random start, where the smaller model has no latents
//
// What is computed for text, and its logits, stay as they were.
#pragma once

#include <string>

#include "mom/models/model.h"

namespace mom::models {

// The tokenizer of the data that `large` learns from, as far as a plain language model needs it.
struct TextIds {
  int64_t first = 0;  // of the ids of text, that of the tokenizer's id 0
};
// Of a text codec's folder: the ids of a tokenizer.json are behind our control symbols, those of tokenizer.model are as they are.
// UserError where the plain language model in `model_folder` has another tokenizer beside it; a warning where it has none.
TextIds text_ids_for(const Path& model_folder, const Path& text_codec);

// Whether `large` knows all that `small` does. UserError beginning with `where`: a modality that it does not know, or that is
// another thing there, of other ids or by another codec.
void check_grows(const ModelSpec& small, const ModelSpec& large, const TextIds& text,
                 const std::string& where);

// Fills in every parameter of `model`; random starts are keyed by `seed`, as initialise() has them. UserError as check_grows, and
// where weights of `model` are in no relation to those of `smaller`.
void grow(ModelImpl& model, ModelImpl& smaller, const TextIds& text, uint64_t seed, const std::string& where);

}  // namespace mom::models
