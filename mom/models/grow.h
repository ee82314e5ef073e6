// The weights of a model for one that knows more: more modalities, or own weights per modality where the smaller one has one
// set for all.
//
//   weights of a modality       that modality's; else text's; else the one set
//   rows of the token tables    each modality's. A plain language model's rows are text's; those beyond the tokenizer's
//                               (vocabularies are padded) may be left over
//   rows that are new           the mean of text's rows plus a random start, so that they take little from its probabilities
//   what latents alone pass     a random start, where the smaller model has no latents
//
// What is computed for text, and its logits, stay as they were.
#pragma once

#include <string>

#include "mom/models/model.h"

namespace mom::models {

// Whether `large` knows all that `small` does. UserError beginning with `where`: a modality that it does not know, or that is
// another thing there, of other ids or by another codec.
void check_grows(const ModelSpec& small, const ModelSpec& large, const std::string& where);

// Fills in every parameter of `model`; random starts are keyed by `seed`, as initialise() has them. UserError as check_grows, and
// where weights of `model` are in no relation to those of `smaller`.
void grow(ModelImpl& model, ModelImpl& smaller, uint64_t seed, const std::string& where = "the model");

}  // namespace mom::models
