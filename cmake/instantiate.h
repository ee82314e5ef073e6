// The last of the precompiled headers (instantiate.cpp). Without the plugin the pragma is not known, and means nothing.
#pragma mom instantiate
