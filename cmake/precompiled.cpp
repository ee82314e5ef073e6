// Exists so that the shared precompiled headers have targets to belong to.
