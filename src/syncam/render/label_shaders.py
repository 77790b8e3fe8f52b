"""GLSL of masks and labels: instances, normals and flow, one sample per pixel."""

from syncam.render.skeleton import NUM_BONES

_HEADER = f"""
#version 330
#define NUM_BONES {NUM_BONES}
"""

# What all vertex shaders share: where a point of the world is on the picture and, for flow, on two others.
_PLACE = """
uniform mat4 now_to_clip;
out vec3 normal;
#ifdef FLOW
uniform mat4 before_to_clip;
uniform mat4 after_to_clip;
out vec4 now_clip;
out vec4 before_clip;
out vec4 after_clip;
#endif
invariant gl_Position;
void place(vec4 now) {
    gl_Position = now_to_clip * now;
}
void follow(vec4 before, vec4 after) {
#ifdef FLOW
    now_clip = gl_Position;
    before_clip = before_to_clip * before;
    after_clip = after_to_clip * after;
#endif
}
"""

_SKINNED = """
layout(std140) uniform Bones { vec4 rows[3 * NUM_BONES]; };
#ifdef FLOW
layout(std140) uniform BonesBefore { vec4 rows_before[3 * NUM_BONES]; };
layout(std140) uniform BonesAfter { vec4 rows_after[3 * NUM_BONES]; };
#endif
in vec3 in_position;
in vec3 in_normal;
in vec3 in_bones;
#define BLEND(table, k) mix(table[a + k], table[b + k], in_bones.z)
#define MOVED(table) vec4(dot(BLEND(table, 0), rest), dot(BLEND(table, 1), rest), dot(BLEND(table, 2), rest), 1.0)
void main() {
    int a = 3 * int(in_bones.x + 0.5), b = 3 * int(in_bones.y + 0.5);
    vec4 rest = vec4(in_position, 1.0);
    place(MOVED(rows));
#ifdef FLOW
    follow(MOVED(rows_before), MOVED(rows_after));
#endif
    normal = vec3(dot(BLEND(rows, 0).xyz, in_normal), dot(BLEND(rows, 1).xyz, in_normal),
                  dot(BLEND(rows, 2).xyz, in_normal));
}
"""

_PROP = """
in vec3 in_position;
in vec3 in_normal;
in vec4 in_place;  // x, y, yaw, scale
void main() {
    float c = cos(in_place.z), s = sin(in_place.z);
    mat3 turn = mat3(c, s, 0.0, -s, c, 0.0, 0.0, 0.0, 1.0);
    vec4 world = vec4(turn * in_position * in_place.w + vec3(in_place.xy, 0.0), 1.0);
    place(world);
    follow(world, world);
    normal = turn * in_normal;
}
"""

_GROUND = """
uniform float half_side;
in vec2 in_corner;
void main() {
    vec4 world = vec4(half_side * in_corner, 0.0, 1.0);
    place(world);
    follow(world, world);
    normal = vec3(0.0, 0.0, 1.0);
}
"""

_SKY = """
uniform mat4 clip_to_ray;
in vec2 in_corner;
void main() {
    vec4 clip = vec4(in_corner, 1.0, 1.0);
    vec4 far = vec4((clip_to_ray * clip).xyz, 0.0);
    place(far);
    follow(far, far);
    normal = vec3(0.0);
    gl_Position = clip;
}
"""

_FRAGMENT = """
uniform float instance;
layout(location = 0) out float number;
#ifdef NORMALS
in vec3 normal;
layout(location = 1) out vec4 surface;
#endif
#ifdef FLOW
uniform vec2 hw;
in vec4 now_clip;
in vec4 before_clip;
in vec4 after_clip;
layout(location = FLOW) out vec4 flow;
vec2 moved(vec4 other) {
    if (other.w <= 1e-6) return vec2(1e31);
    return 0.5 * hw.yx * (other.xy / other.w - now_clip.xy / now_clip.w);
}
#endif
void main() {
    number = instance / 255.0;
#ifdef NORMALS
    float size = length(normal);
    surface = vec4(size > 0.0 ? normal / size : normal, 0.0);
#endif
#ifdef FLOW
    flow = vec4(moved(after_clip), moved(before_clip));
#endif
}
"""


def label_programs(*, normals: bool, flow: bool) -> dict[str, tuple[str, str]]:
    """Vertex and fragment shader of the labels of characters, props, ground and, for flow, the sky.

    They write instances, of 255, to the first picture of a canvas, then normals and flow where they are asked for.
    """
    shaders = {"animal": _SKINNED, "prop": _PROP, "ground": _GROUND} | ({"sky": _SKY} if flow else {})
    header = _HEADER + "#define NORMALS\n" * normals + f"#define FLOW {1 + normals}\n" * flow
    return {name: (header + _PLACE + text, header + _FRAGMENT) for name, text in shaders.items()}
