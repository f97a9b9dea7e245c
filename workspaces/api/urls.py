"""Addresses below `/api/v1/`."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from workspaces.api import views

W = "workspaces/<slug:workspace>/"

urlpatterns: list[URLPattern | URLResolver] = [
    path("", views.RootView.as_view(), name="api-root"),
    path("me/", views.MeView.as_view(), name="api-me"),
    path(W, views.WorkspaceDetailView.as_view(), name="api-workspace"),
    path(f"{W}tokens/", views.TokensView.as_view(), name="api-tokens"),
    path(f"{W}tokens/<uuid:id>/", views.TokenView.as_view(), name="api-token"),
    path(f"{W}members/", views.MembersView.as_view(), name="api-members"),
    path(f"{W}archive/", views.ArchiveView.as_view(), name="api-workspace-archive"),
    path(f"{W}hand-over/", views.HandOverView.as_view(), name="api-workspace-hand-over"),
    path(f"{W}leave/", views.LeaveView.as_view(), name="api-workspace-leave"),
    path(f"{W}secrets/", views.SecretsView.as_view(), name="api-secrets"),
    path(f"{W}secrets/values/", views.SecretValuesView.as_view(), name="api-secret-values"),
    path(f"{W}secrets/<str:name>/", views.SecretView.as_view(), name="api-secret"),
    path(f"{W}audit/", views.AuditView.as_view(), name="api-audit"),
    path(f"{W}audit/file/", views.AuditFileView.as_view(), name="api-audit-file"),
    path(f"{W}members/<uuid:id>/ends/", views.MemberEndsView.as_view(), name="api-member-ends"),
    path(f"{W}members/<uuid:id>/tokens/", views.MemberTokensView.as_view(), name="api-member-tokens"),
    path(f"{W}invitations/", views.InvitationsView.as_view(), name="api-invitations"),
    path(f"{W}members/<uuid:id>/", views.MemberView.as_view(), name="api-member"),
]
