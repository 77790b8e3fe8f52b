"""GLSL of the renderer. Light is computed in linear colour, pictures are written as sRGB."""

from syncam.render.skeleton import NUM_BONES

MAX_LAMPS = 16
"""Lamps that give light at most; the nearest to the middle of the scene count."""

_HEADER = f"""
#version 330
#define NUM_BONES {NUM_BONES}
#define MAX_LAMPS {MAX_LAMPS}
"""

# A bone matrix is stored as its three upper rows.
_SKINNED_VERTEX = """
uniform mat4 world_to_clip;
layout(std140) uniform Bones { vec4 rows[3 * NUM_BONES]; };
in vec3 in_position;
in vec3 in_normal;
in vec3 in_bones;  // bone, bone, weight of the second
in vec3 in_colour;  // linear
out vec3 world;
out vec3 normal;
out vec3 albedo;
void main() {
    int a = 3 * int(in_bones.x + 0.5), b = 3 * int(in_bones.y + 0.5);
    vec4 row0 = mix(rows[a], rows[b], in_bones.z);
    vec4 row1 = mix(rows[a + 1], rows[b + 1], in_bones.z);
    vec4 row2 = mix(rows[a + 2], rows[b + 2], in_bones.z);
    vec4 rest = vec4(in_position, 1.0);
    world = vec3(dot(row0, rest), dot(row1, rest), dot(row2, rest));
    normal = vec3(dot(row0.xyz, in_normal), dot(row1.xyz, in_normal), dot(row2.xyz, in_normal));
    albedo = in_colour;
    gl_Position = world_to_clip * vec4(world, 1.0);
}
"""

_PROP_VERTEX = """
uniform mat4 world_to_clip;
in vec3 in_position;
in vec3 in_normal;
in vec3 in_colour;  // linear
in vec4 in_place;  // x, y, yaw, scale
out vec3 world;
out vec3 normal;
out vec3 albedo;
void main() {
    float c = cos(in_place.z), s = sin(in_place.z);
    mat3 turn = mat3(c, s, 0.0, -s, c, 0.0, 0.0, 0.0, 1.0);
    world = turn * in_position * in_place.w + vec3(in_place.xy, 0.0);
    normal = turn * in_normal;
    albedo = in_colour;
    gl_Position = world_to_clip * vec4(world, 1.0);
}
"""

_LIGHT = """
uniform vec3 eye;
uniform vec3 to_sun;
uniform vec3 sunlight;
uniform vec3 ambient_up;
uniform vec3 ambient_down;
uniform vec3 horizon;
uniform float fog_metres;
uniform mat4 world_to_shadow;
uniform sampler2DShadow shadow_map;

uniform int num_lamps;
uniform vec4 lamps[MAX_LAMPS];  // place and scale
uniform vec3 lamp_strength;
uniform vec3 lamp_seen;

float lit(vec3 point) {
    vec3 s = (world_to_shadow * vec4(point, 1.0)).xyz;
    vec2 edge = abs(s.xy - 0.5);
    if (max(edge.x, edge.y) > 0.495) return 1.0;
    const float r = SHADOW_RADIUS;
    return 0.25 * (texture(shadow_map, s + vec3(-r, -0.4 * r, 0.0)) + texture(shadow_map, s + vec3(0.4 * r, -r, 0.0))
                 + texture(shadow_map, s + vec3(r, 0.4 * r, 0.0)) + texture(shadow_map, s + vec3(-0.4 * r, r, 0.0)));
}

vec3 lamplight(vec3 n, vec3 point) {
    vec3 sum = vec3(0.0);
    for (int i = 0; i < num_lamps; i++) {
        vec3 to = lamps[i].xyz - point;
        float scale = lamps[i].w, d2 = dot(to, to) / (scale * scale);
        sum += d2 < LAMP_RADIUS * LAMP_RADIUS ? lamp_seen
             : lamp_strength * max(dot(n, to) / scale, 0.0) / (d2 * sqrt(d2));
    }
    return sum;
}

vec3 shade(vec3 albedo, vec3 n, vec3 point) {
    float sun = max(dot(n, to_sun), 0.0);
    if (sun > 0.0) sun *= lit(point + 0.03 * n);
    vec3 light = mix(ambient_down, ambient_up, 0.5 + 0.5 * n.z) + sunlight * sun;
    if (num_lamps > 0) light += lamplight(n, point);
    return albedo * light;
}

vec3 fogged(vec3 colour, vec3 point) {
    float d = distance(point, eye) / fog_metres;
    return mix(horizon, colour, exp(-d * d));
}

vec3 encoded(vec3 linear) {
    vec3 c = clamp(linear, 0.0, 1.0);
    return mix(12.92 * c, 1.055 * pow(c, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, c));
}
"""

_SOLID_FRAGMENT = """
in vec3 world;
in vec3 normal;
in vec3 albedo;
out vec4 colour;
void main() {
    colour = vec4(encoded(fogged(shade(albedo, normalize(normal), world), world)), 1.0);
}
"""

_GROUND_VERTEX = """
uniform mat4 world_to_clip;
uniform float half_side;
in vec2 in_corner;
out vec3 world;
void main() {
    world = vec3(half_side * in_corner, 0.0);
    gl_Position = world_to_clip * vec4(world, 1.0);
}
"""

_GROUND_FRAGMENT = """
uniform sampler2D pattern;
uniform vec2 shift;
uniform vec3 ground_light;
uniform vec3 ground_dark;
in vec3 world;
out vec4 colour;
void main() {
    float blotch = texture(pattern, (world.xy + shift) / PATTERN_METRES).r;
    vec3 ground = mix(ground_dark, ground_light, blotch);
    colour = vec4(encoded(fogged(shade(ground, vec3(0.0, 0.0, 1.0), world), world)), 1.0);
}
"""

_TEXTURED_GROUND_FRAGMENT = """
uniform sampler2D pattern;  // linear colour
uniform vec2 shift;
in vec3 world;
out vec4 colour;
void main() {
    vec3 ground = texture(pattern, (world.xy + shift) / PATTERN_METRES).rgb;
    colour = vec4(encoded(fogged(shade(ground, vec3(0.0, 0.0, 1.0), world), world)), 1.0);
}
"""

_SKY_VERTEX = """
uniform mat4 clip_to_ray;
in vec2 in_corner;
out vec3 ray;
void main() {
    vec4 clip = vec4(in_corner, 1.0, 1.0);
    ray = (clip_to_ray * clip).xyz;
    gl_Position = clip;
}
"""

_SKY_FRAGMENT = """
uniform vec3 zenith;
in vec3 ray;
out vec4 colour;
void main() {
    vec3 d = normalize(ray);
    float height = clamp(d.z, 0.0, 1.0);
    vec3 sky = mix(zenith, horizon, exp(-4.5 * height));
    float glow = max(dot(d, to_sun), 0.0);
    glow *= glow; glow *= glow; glow *= glow;
    sky += 0.18 * sunlight * glow;
    colour = vec4(encoded(sky), 1.0);
}
"""

_FULL_SKY_FRAGMENT = """
uniform vec3 zenith;
in vec3 ray;
out vec4 colour;
float hash(vec3 p) {
    p = fract(p * 0.3183099 + vec3(0.71, 0.113, 0.419));
    p *= 17.0;
    return fract(p.x * p.y * p.z * (p.x + p.y + p.z));
}
void main() {
    vec3 d = normalize(ray);
    vec3 sky = mix(zenith, horizon, exp(-4.5 * clamp(d.z, 0.0, 1.0)));
    float facing = max(dot(d, to_sun), 0.0);
    float clear = clamp((fog_metres - 115.0) / 30.0, 0.0, 1.0);  // not under clouds
    float glow = facing * facing; glow *= glow; glow *= glow;
    sky += 0.18 * sunlight * glow;
    sky += clear * (sunlight + 0.3) * smoothstep(0.9975, 0.9985, facing);
    float darkness = clamp(1.0 - 12.0 * dot(zenith, vec3(0.3, 0.5, 0.2)), 0.0, 1.0);
    if (darkness > 0.0 && d.z > 0.02) {
        vec3 cell = floor(d * 70.0);
        float bright = hash(cell);
        float apart = length(fract(d * 70.0) - 0.5);
        sky += clear * darkness * step(0.955, bright) * smoothstep(0.5, 0.1, apart) * vec3(0.9, 0.92, 1.0);
    }
    colour = vec4(encoded(sky), 1.0);
}
"""

_EMPTY_FRAGMENT = """
void main() {}
"""


def programs(shadow_radius: float, pattern_metres: float, lamp_radius: float) -> dict[str, tuple[str, str]]:
    """Vertex and fragment shader of every pass: bodies with bones, props, their shadows, ground and sky; the ground and
    the sky of the full content ("_full") have a coloured texture, and a sun and stars.

    shadow_radius: reach of the shadow's blur in shadow-map units; pattern_metres: size of the ground's pattern;
    lamp_radius: of a lamp's glass at scale 1.
    """
    header = _HEADER + f"#define SHADOW_RADIUS {shadow_radius:.6f}\n#define PATTERN_METRES {pattern_metres:.3f}\n"
    header += f"#define LAMP_RADIUS {lamp_radius:.3f}\n"
    return {
        "animal": (header + _SKINNED_VERTEX, header + _LIGHT + _SOLID_FRAGMENT),
        "prop": (header + _PROP_VERTEX, header + _LIGHT + _SOLID_FRAGMENT),
        "animal_shadow": (header + _SKINNED_VERTEX, header + _EMPTY_FRAGMENT),
        "prop_shadow": (header + _PROP_VERTEX, header + _EMPTY_FRAGMENT),
        "ground": (header + _GROUND_VERTEX, header + _LIGHT + _GROUND_FRAGMENT),
        "ground_full": (header + _GROUND_VERTEX, header + _LIGHT + _TEXTURED_GROUND_FRAGMENT),
        "sky": (header + _SKY_VERTEX, header + _LIGHT + _SKY_FRAGMENT),
        "sky_full": (header + _SKY_VERTEX, header + _LIGHT + _FULL_SKY_FRAGMENT),
    }
